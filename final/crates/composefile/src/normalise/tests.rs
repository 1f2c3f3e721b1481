use crate::load::{LoadOptions, load};
use crate::model::Project;

fn project(text: &str) -> Project {
    let options = LoadOptions {
        files: vec!["-".into()],
        stdin: Some(text.into()),
        current_directory: "/".into(),
        project_name: Some("p".into()),
        environment: [("FOUND", "here")].map(|(name, value)| (name.into(), value.into())).into(),
        all_resources: true,
        ..LoadOptions::default()
    };
    load(&options).result.unwrap()
}

#[test]
fn resources_are_named_by_their_keys() {
    let project = project(
        "
services: {a: {image: x}}
networks: {own: null, named: {name: n}, outer: {external: true}, outer-named: {external: true, name: o}}
volumes: {own: {}, outer: {external: true}}
",
    );
    let names: Vec<_> = project.networks.values().map(|network| network.name.as_str()).collect();
    assert_eq!(names, ["p_default", "n", "outer", "o", "p_own"]);
    let names: Vec<_> = project.volumes.values().map(|volume| volume.name.as_str()).collect();
    assert_eq!(names, ["outer", "p_own"]);
}

#[test]
fn the_default_network_is_there_if_a_service_is_in_it() {
    let has_default = |text: &str| project(text).networks.contains_key("default");
    assert!(has_default("services: {a: {image: x}}"));
    assert!(has_default("services: {a: {image: x, networks: []}}"));
    assert!(has_default("services: {a: {image: x, networks: [n, default]}}\nnetworks: {n: {}}"));
    assert!(!has_default("services: {a: {image: x, networks: [n]}}\nnetworks: {n: {}}"));
    assert!(!has_default("services: {a: {image: x, network_mode: none}}"));
    assert!(!has_default("services: {a: {provider: {type: x}}}"));
}

#[test]
fn some_attributes_imply_dependencies() {
    let project = project(
        "
services:
  a:
    image: x
    depends_on: {e: {condition: service_healthy}}
    links: [b, 'c:alias', e]
    volumes_from: ['d:ro', 'container:other']
    pid: service:f
  b: {image: x}
  c: {image: x}
  d: {image: x}
  e: {image: x}
  f: {image: x}
",
    );
    let shown: Vec<_> = project.services["a"]
        .depends_on
        .iter()
        .map(|(name, own)| format!("{name} {} {} {}", own.condition, own.restart, own.required))
        .collect();
    assert_eq!(
        shown,
        [
            "b service_started true true",
            "c service_started true true",
            "d service_started false true",
            "e service_healthy false true",
            "f service_started true true",
        ]
    );
}

#[test]
fn variables_without_a_value_get_the_environments() {
    let project = project(
        "
services:
  a: {image: x, environment: [FOUND, MISSING, EMPTY=], build: {context: /, args: {FOUND: null, MISSING: null}}}
  b: {image: x, environment: {FOUND: null, MISSING: null}}
secrets: {s: {environment: FOUND}}
configs: {c: {environment: FOUND}}
",
    );
    let variables = |name: &str| -> Vec<_> {
        let own = project.services[name].environment.iter();
        own.map(|(key, value)| format!("{key}={}", value.as_deref().unwrap_or("(none)"))).collect()
    };
    assert_eq!(variables("a"), ["EMPTY=", "FOUND=here", "MISSING=(none)"]);
    assert_eq!(variables("b"), ["FOUND=here", "MISSING=(none)"]);
    let arguments = &project.services["a"].build.as_ref().unwrap().args;
    assert_eq!(arguments.keys().collect::<Vec<_>>(), ["FOUND"]);
    assert_eq!(project.secrets["s"].content, "here");
    assert_eq!(project.configs["c"].content, "here");
    let printed = crate::print::json::compact(&project);
    assert!(!printed.contains("content"), "{printed}");
}
