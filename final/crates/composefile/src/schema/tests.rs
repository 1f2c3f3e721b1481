use super::*;

fn verdict(text: &str) -> String {
    let documents = hull_yaml::tree::parse(text, 0).unwrap();
    match check(&documents[0]) {
        Ok(()) => "fine".into(),
        Err(error) => {
            let place = error.place.unwrap();
            let hint = error.hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
            format!("{}:{} {}{hint}", place.line, place.column, error.why)
        }
    }
}

fn service(text: &str) -> String {
    verdict(&format!("services:\n  web:\n    {text}"))
}

#[test]
fn what_is_right_is_accepted() {
    for text in [
        "image: a",
        "ports: [80, '81', {target: 82, x-why: no}]",
        "environment: {A: 1, B: null, C: true, D: 1.5}",
        "environment: [A, B=1]",
        "command: null",
        "networks: {a: null, b: {aliases: [x]}}",
        "oom_score_adj: -1000",
        "pull_policy: every_12h",
        "x-anything: {a: [1]}",
        "gpus: [{driver: a, more: 1}]",
        "mem_limit: 1.5",
        "cpu_count: 2.0",
    ] {
        assert_eq!(service(text), "fine", "{text}");
    }
}

#[test]
fn what_is_wrong_is_refused_where_it_stands() {
    for (text, why) in [
        ("imgae: a", "3:5 services.web: there is no key \"imgae\" here (did you mean image?)"),
        ("qqq: a", "3:5 services.web: there is no key \"qqq\" here"),
        ("image: 1", "3:12 services.web.image: must be a string, but it is a number (put it in quotes)"),
        ("ports: 80", "3:12 services.web.ports: must be a list, but it is a number"),
        ("ports: [80, 80]", "3:17 services.web.ports[1]: this item is in the list already (remove one)"),
        ("cap_add: [A, A]", "3:18 services.web.cap_add[1]: this item is in the list already (remove one)"),
        ("depends_on: {db: {}}", "3:22 services.web.depends_on.db: the key \"condition\" is missing"),
        (
            "depends_on: {db: {condition: service_heatlhy}}",
            "3:34 services.web.depends_on.db.condition: \"service_heatlhy\" is none of: service_started, \
             service_healthy, service_completed_successfully (did you mean service_healthy?)",
        ),
        ("oom_score_adj: 1001", "3:20 services.web.oom_score_adj: 1001 is more than 1000"),
        (
            "environment: {A: [1]}",
            "3:22 services.web.environment.A: must be a string, a number, a boolean or null, but it is a list",
        ),
        (
            "environment: {A: 2001-12-14}",
            "3:22 services.web.environment.A: must be a string, a number, a boolean or null, but it is a date \
             (put it in quotes)",
        ),
        (
            "cpu_percent: 12.5",
            "3:18 services.web.cpu_percent: must be a string or a whole number, but it is a number with a fraction",
        ),
        (
            "tty: 1",
            "3:10 services.web.tty: must be a string or a boolean, but it is a number (write true or false)",
        ),
        (
            "healthcheck: {interval: 5}",
            "3:29 services.web.healthcheck.interval: must be a string, but it is a number \
             (add the unit, as in 10s or 1m30s)",
        ),
        ("build: [a]", "3:12 services.web.build: must be a string or a mapping, but it is a list"),
        (
            "build: {contxt: a}",
            "3:13 services.web.build: there is no key \"contxt\" here (did you mean context?)",
        ),
        (
            "container_name: _",
            "3:21 services.web.container_name: \"_\" is wrong: a name begins with a letter or a digit, and has two characters at least",
        ),
    ] {
        assert_eq!(service(text), why, "{text}");
    }
    assert_eq!(
        verdict("service: {}"),
        "1:1 the top level: there is no key \"service\" here (did you mean services?)"
    );
    assert_eq!(verdict("services: []"), "1:11 services: must be a mapping, but it is a list");
    assert_eq!(
        verdict("services: {'a b': {}}"),
        "1:12 services: the key \"a b\" is not allowed: a name has letters, digits, dots, hyphens and underscores only"
    );
    assert_eq!(
        verdict("[]"),
        "1:1 must be a mapping, but it is a list (a compose file is a mapping, with the key services)"
    );
}
