use crate::load::{LoadOptions, load};

/// Where and why a project is refused, or `fine`.
fn verdict(text: &str) -> String {
    let options = LoadOptions {
        files: vec!["-".into()],
        stdin: Some(text.into()),
        current_directory: "/".into(),
        project_name: Some("p".into()),
        ..LoadOptions::default()
    };
    match load(&options).result {
        Ok(_) => "fine".into(),
        Err(error) => {
            let place =
                error.place.map(|place| format!("{}:{} ", place.line, place.column)).unwrap_or_default();
            let hint = error.hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
            format!("{place}{}{hint}", error.why)
        }
    }
}

fn check_all(rules: &[(&str, &str)]) {
    for (text, expected) in rules {
        assert_eq!(verdict(text), *expected, "{text}");
    }
}

#[test]
fn a_service_has_an_image_and_a_way_to_build_it() {
    check_all(&[
        (
            "services: {a: {}}",
            "1:15 services.a: has neither an image nor a build context (add image: or build:)",
        ),
        ("services: {a: {provider: {type: x}}}", "fine"),
        (
            "services: {a: {build: {context: /, dockerfile: D, dockerfile_inline: FROM a}}}",
            "1:48 services.a.build.dockerfile: dockerfile and dockerfile_inline exclude each other",
        ),
        (
            "services: {a: {build: {context: /, additional_contexts: {x: 'service:b'}}}, b: {image: x}}",
            "1:61 services.a.build.additional_contexts.x: service \"b\" is not built",
        ),
        (
            "services: {a: {platform: linux/arm64, build: {context: /, platforms: [linux/amd64]}}}",
            "1:70 services.a.build.platforms: does not include the platform of the service, \"linux/arm64\"",
        ),
    ]);
}

#[test]
fn what_a_service_names_is_there() {
    check_all(&[
        (
            "services: {a: {image: x, networks: [frnt]}}\nnetworks: {front: {}}",
            "1:37 services.a.networks.frnt: there is no network \"frnt\" (did you mean front?)",
        ),
        (
            "services: {a: {image: x, volumes: ['data:/d']}}",
            "1:36 services.a.volumes[0]: there is no volume \"data\" (add it to the volumes at the top level)",
        ),
        (
            "services: {a: {image: x, secrets: [key]}}",
            "1:36 services.a.secrets[0]: there is no secret \"key\" (add it to the secrets at the top level)",
        ),
        (
            "services: {a: {image: x, configs: [{source: key}]}}",
            "1:36 services.a.configs[0]: there is no config \"key\" (add it to the configs at the top level)",
        ),
        (
            "services: {a: {build: {context: /, secrets: [key]}}}",
            "1:46 services.a.build.secrets[0]: there is no secret \"key\" (add it to the secrets at the top level)",
        ),
        (
            "services: {a: {image: x, models: [llm]}}",
            "1:35 services.a.models.llm: there is no model \"llm\" (add it to the models at the top level)",
        ),
        (
            "services: {a: {image: x, depends_on: [databose]}, database: {image: y}}",
            "1:39 services.a.depends_on.databose: there is no service \"databose\" (did you mean database?)",
        ),
        (
            "services: {a: {image: x, depends_on: [db]}, db: {image: y, profiles: [p, q]}}",
            "1:39 services.a.depends_on.db: service \"db\" is not enabled (enable its profile: p, q)",
        ),
        (
            "services: {a: {image: x, depends_on: {db: {condition: service_started, required: false}}}, \
             db: {image: y, profiles: [p]}}",
            "fine",
        ),
        (
            "secrets: {s: {driver: d}}\nservices: {a: {image: x}}",
            "1:14 secrets.s: has no content (add file or environment)",
        ),
    ]);
}

#[test]
fn services_do_not_wait_for_themselves() {
    check_all(&[
        (
            "services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, links: [c]}\n  c: {image: x, ipc: 'service:a'}\n",
            "4:22 services depend on each other in a circle: a -> b -> c -> a",
        ),
        (
            "services: {a: {image: x, depends_on: [a]}}",
            "1:39 services depend on each other in a circle: a -> a",
        ),
        (
            "services: {a: {image: x, depends_on: [b, c]}, b: {image: x, depends_on: [c]}, c: {image: x}}",
            "fine",
        ),
    ]);
    let chain: String =
        (0..5000).map(|n| format!("  s{n}: {{image: x, depends_on: [s{}]}}\n", n + 1)).collect();
    assert_eq!(verdict(&format!("services:\n{chain}  s5000: {{image: x}}\n")), "fine");
}

#[test]
fn what_is_said_twice_is_the_same() {
    let limit = |own: &str, resources: &str| {
        verdict(&format!("services: {{a: {{image: x, {own}, deploy: {{resources: {{{resources}}}}}}}}}"))
    };
    assert_eq!(limit("mem_limit: 1g", "limits: {memory: 1024m}"), "fine");
    assert_eq!(
        limit("mem_limit: 1g", "limits: {memory: 1m}"),
        "1:37 services.a.mem_limit: differs from deploy.resources.limits.memory (keep one of the two)"
    );
    assert_eq!(
        limit("cpus: 1", "limits: {cpus: 2}"),
        "1:32 services.a.cpus: differs from deploy.resources.limits.cpus (keep one of the two)"
    );
    assert_eq!(
        limit("pids_limit: 1", "limits: {pids: 2}"),
        "1:38 services.a.pids_limit: differs from deploy.resources.limits.pids (keep one of the two)"
    );
    assert_eq!(
        limit("mem_reservation: 1m", "reservations: {memory: 2m}"),
        "1:43 services.a.mem_reservation: differs from deploy.resources.reservations.memory (keep one of the two)"
    );
    check_all(&[
        (
            "services: {a: {image: x, scale: 2, deploy: {replicas: 3}}}",
            "1:33 services.a.scale: differs from deploy.replicas, which is 3",
        ),
        (
            "services: {a: {image: x, deploy: {replicas: -1}}}",
            "1:45 services.a.deploy.replicas: must not be negative",
        ),
        (
            "services: {a: {image: x, deploy: {replicas: 2}, container_name: one}}",
            "1:65 services.a.container_name: with deploy.replicas, the containers cannot all have the name \"one\"",
        ),
        (
            "services: {a: {image: x, container_name: one}, b: {image: x, container_name: one}}",
            "1:78 services.b.container_name: \"one\" is the name of the container of service \"a\" too",
        ),
        (
            "services: {a: {image: x, network_mode: host, networks: [default]}}",
            "1:40 services.a.network_mode: network_mode and networks exclude each other",
        ),
        (
            "services: {a: {image: x, tmpfs: /run, volumes: ['/run/']}}",
            "1:49 services.a.volumes[0]: tmpfs[0] is mounted at /run already",
        ),
        (
            "services: {a: {image: x, healthcheck: {test: [curl, b]}}}",
            "1:46 services.a.healthcheck.test: begins with \"curl\" (a list begins with CMD, CMD-SHELL or NONE)",
        ),
        (
            "services: {a: {image: x, develop: {watch: [{path: /a, action: sync}]}}}",
            "1:44 services.a.develop.watch[0]: the action sync needs a target",
        ),
    ]);
}

#[test]
fn a_service_whose_name_is_a_number_is_named_by_a_key() {
    check_all(&[(
        "services: {'80': {image: a, build: {context: /, dockerfile: D, dockerfile_inline: FROM a}}}",
        "1:61 services.80.build.dockerfile: dockerfile and dockerfile_inline exclude each other",
    )]);
}
