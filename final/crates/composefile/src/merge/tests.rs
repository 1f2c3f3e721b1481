use super::*;

fn parse(text: &str) -> Node {
    hull_yaml::tree::parse(text, 0).unwrap().remove(0)
}

/// The service `t` of `base` after `over`, as Go prints values.
fn merged(base: &str, over: &str) -> String {
    let whole = |text: &str| parse(&format!("{{services: {{t: {{{text}}}}}}}"));
    let mut result = merge(whole(base), whole(over), &Path::ROOT).unwrap();
    unique(&mut result, &Path::ROOT).unwrap();
    let text = shown(&result.value);
    text["map[services:map[t:map[".len()..text.len() - 3].to_owned()
}

#[test]
fn mappings_merge_lists_append_and_anything_else_is_replaced() {
    assert_eq!(merged("image: a, labels: {a: 1}", "image: b"), "image:b labels:map[a:1]");
    assert_eq!(merged("cap_add: [A]", "cap_add: [B, A]"), "cap_add:[A B]");
    assert_eq!(merged("command: [a, b]", "command: c"), "command:c");
    assert_eq!(merged("entrypoint: a", "entrypoint: null"), "entrypoint:<nil>");
    assert_eq!(merged("image: a", "image: null"), "image:a");
    assert_eq!(merged("deploy: {replicas: 1}", "deploy: {mode: x}"), "deploy:map[mode:x replicas:1]");
}

#[test]
fn lists_and_mappings_of_texts_become_one_list_without_doubles() {
    assert_eq!(
        merged("environment: {B: 1, A: null, C: 1.5}", "environment: [B=2, D]"),
        "environment:[A B=2 C=1.5 D]"
    );
    assert_eq!(
        merged("labels: [a]", "labels: {b: 2001-12-14}"),
        "labels:[a b=2001-12-14 00:00:00 +0000 UTC]"
    );
    assert_eq!(merged("tmpfs: /a", "tmpfs: [/b, /a]"), "tmpfs:[/a /b]");
    assert_eq!(merged("env_file: a", "env_file: [{path: b}, a]"), "env_file:[a map[path:b]]");
    assert_eq!(merged("extra_hosts: [a=1]", "extra_hosts: {a: [1, 2]}"), "extra_hosts:[a=1 a=2]");
}

#[test]
fn names_and_dependencies_keep_their_options() {
    assert_eq!(
        merged("networks: {a: {aliases: [x]}}", "networks: [a, b]"),
        "networks:map[a:map[aliases:[x]] b:<nil>]"
    );
    assert_eq!(
        merged("depends_on: {a: {condition: service_healthy}}", "depends_on: [b]"),
        "depends_on:map[a:map[condition:service_healthy] b:map[condition:service_started required:true]]"
    );
    assert_eq!(merged("build: .", "build: {target: x}"), "build:map[context:. target:x]");
}

#[test]
fn options_of_another_driver_are_not_kept() {
    let base = "logging: {driver: a, options: {x: 1}}";
    assert_eq!(merged(base, "logging: {driver: b}"), "logging:map[driver:b]");
    assert_eq!(merged(base, "logging: {options: {y: 2}}"), "logging:map[driver:a options:map[x:1 y:2]]");
}

#[test]
fn an_item_takes_the_position_of_the_earlier_one_with_its_key() {
    assert_eq!(merged("volumes: [a1:/x, b1:/y]", "volumes: [c1:/x:ro]"), "volumes:[c1:/x:ro b1:/y]");
    assert_eq!(
        merged(
            "ports: ['80:80', {target: 1, published: '2'}]",
            "ports: [{target: 1, published: '2', mode: host}]"
        ),
        "ports:[80:80 map[mode:host published:2 target:1]]"
    );
    assert_eq!(merged("devices: ['/a:/b', /c]", "devices: ['/d:/b', /c:/c]"), "devices:[/d:/b /c:/c]");
    assert_eq!(merged("secrets: [a]", "secrets: [{source: a, mode: 1}]"), "secrets:[map[mode:1 source:a]]");
}

#[test]
fn pools_merge_by_their_subnets() {
    let pools = |base: &str, over: &str| {
        let whole = |text: &str| parse(&format!("{{networks: {{n: {{ipam: {{config: {text}}}}}}}}}"));
        shown(&merge(whole(base), whole(over), &Path::ROOT).unwrap().value)
    };
    assert_eq!(
        pools("[{subnet: a, gateway: 1}]", "[{subnet: b}, {subnet: a, gateway: 2}]"),
        "map[networks:map[n:map[ipam:map[config:[map[subnet:b] map[gateway:2 subnet:a]]]]]]"
    );
    assert_eq!(
        pools(
            "[{subnet: a}, {subnet: c, r: 1}, {subnet: b, x: 4}]",
            "[{subnet: a, gateway: 1}, {subnet: b}]"
        ),
        "map[networks:map[n:map[ipam:map[config:[map[subnet:b x:4] map[subnet:b] map[gateway:1 subnet:a]]]]]]"
    );
}

#[test]
fn kinds_that_differ_are_refused_at_the_override() {
    let whole = |text: &str| parse(&format!("services:\n  t:\n    {text}\n"));
    let error = merge(whole("ports: [a]"), whole("ports: {a: b}"), &Path::ROOT).unwrap_err();
    assert_eq!(error.why, "cannot override services.t.ports");
    assert_eq!(error.place.map(|place| place.line), Some(3));
    let mut bad = whole("cap_add: [[a]]");
    assert!(unique(&mut bad, &Path::ROOT).unwrap_err().why.contains("services.t.cap_add[0]"));
}
