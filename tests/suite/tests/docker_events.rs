//! The events that follow from the same commands are dockerd's: every type, action and attribute.
//!
//! `docker_events/dockerd.json` is what dockerd 28.5 told; `write_what_dockerd_tells` makes it anew. The order is
//! compared with the installed dockerd, because it differs from version to version.

#[path = "engines/sandbox.rs"]
#[allow(dead_code, reason = "each suite uses what it needs")]
mod sandbox;

#[path = "engines/hull_and_docker.rs"]
mod hull_and_docker;

#[path = "docker_events/world.rs"]
mod world;

use hull_test_support::skip;
use sandbox::Sandbox;
use world::{Engine, Told};

const REFERENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docker_events/dockerd.json");

/// docker's builder has its own cache, which `system prune` empties too. hull has no builder.
fn is_compared(object: &str) -> bool {
    object != "builder "
}

fn told_by_hull(sandbox: &Sandbox) -> Told {
    let run = |words: &[&str]| sandbox.hull(words);
    let told = tell(sandbox, &run);
    run(&["rm", "-f", "kept", "twice"]).ok();
    told
}

fn told_by_dockerd(sandbox: &Sandbox) -> Told {
    let mut dockerd = sandbox.dockerd();
    let run = |words: &[&str]| sandbox.docker(words);
    let told = tell(sandbox, &run);
    run(&["rm", "-f", "kept", "twice"]).ok();
    sandbox::terminate(&mut dockerd);
    told
}

/// Runs the commands next to a registry, and returns the events once the last of them has arrived.
fn tell(sandbox: &Sandbox, run: &dyn Fn(&[&str]) -> hull_test_support::Outcome) -> Told {
    let port = 5000;
    let settings = format!(
        "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n",
        sandbox.path("registry")
    );
    let mut registry =
        sandbox.spawn(&["docker-registry", "serve", &sandbox.write_text("registry.yml", &settings)]);
    let listens = ["sh", "-c", &format!("grep -q :{port:04X} /proc/net/tcp")];
    sandbox.slowly("the registry listens", || sandbox.run(&listens).success());
    let directory = sandbox.path("").trim_end_matches('/').to_owned();
    let engine = Engine { run, directory, registry: format!("127.0.0.1:{port}") };
    world::run(&engine);
    let mut told = Told::new();
    // The end of a container continues after its command has returned.
    sandbox.slowly("the last container has started, and the other one ended twice", || {
        told = world::told(&engine, is_compared);
        let has = |object: &str, action: &str, times: usize| {
            let said = told.get(object).into_iter().flatten();
            said.filter(|said| said.starts_with(action)).count() == times
        };
        has("container kept", "start ", 1) && has("container twice", "die ", 2)
    });
    sandbox::terminate(&mut registry);
    told
}

fn are_installed(programs: &[&str]) -> bool {
    let missing = programs.iter().find(|program| skip::find_program(program).is_none());
    missing.iter().for_each(|program| skip::skip(&format!("{program} is not installed")));
    missing.is_none()
}

#[test]
fn every_event_of_docker_is_told_with_its_attributes() {
    if !are_installed(&["docker-registry"]) {
        return;
    }
    let Some(sandbox) = Sandbox::start() else { return };
    let mut told = told_by_hull(&sandbox);
    let reference = std::fs::read_to_string(REFERENCE).expect("the reference is beside the test");
    let mut expected: Told = serde_json::from_str(&reference).expect("the reference is JSON");
    // dockerd emits the events of an end from several threads, in any order.
    told.values_mut().chain(expected.values_mut()).for_each(|said| said.sort());
    assert_same(&told, &expected);
    sandbox.end(&["hull"]);
}

#[test]
fn the_order_of_events_is_that_of_the_installed_dockerd() {
    if !are_installed(&["docker-registry", "dockerd", "docker", "containerd", "iptables"]) {
        return;
    }
    let Some(sandbox) = Sandbox::start() else { return };
    let mut expected = told_by_dockerd(&sandbox);
    sandbox.end(&[]);
    let Some(sandbox) = Sandbox::start() else { return };
    let mut told = told_by_hull(&sandbox);
    sandbox.end(&["hull"]);
    // Events that dockerd 20.10 does not have, or emits twice.
    if !told_duration(&expected) {
        for said in told.values_mut().flatten() {
            *said = said.replace("execDuration ", "").replace("name=base:latest", "name=base");
        }
        for own in [&mut told, &mut expected] {
            own.values_mut().for_each(Vec::dedup);
        }
        told.entry("image".into()).or_default().retain(|said| !said.starts_with("create "));
    }
    assert_same(&told, &expected);
}

fn told_duration(told: &Told) -> bool {
    told.values().flatten().any(|said| said.contains("execDuration"))
}

#[test]
#[ignore = "writes docker_events/dockerd.json, with the dockerd that is first in PATH"]
fn write_what_dockerd_tells() {
    if !are_installed(&["docker-registry", "dockerd", "docker", "containerd", "iptables"]) {
        return;
    }
    let Some(sandbox) = Sandbox::start() else { return };
    let text = serde_json::to_string_pretty(&told_by_dockerd(&sandbox)).expect("it is JSON");
    std::fs::write(REFERENCE, text + "\n").expect("the reference can be written");
    sandbox.end(&[]);
}

#[track_caller]
fn assert_same(told: &Told, expected: &Told) {
    let mut faults = Vec::new();
    let objects = told.keys().chain(expected.keys().filter(|key| !told.contains_key(*key)));
    for object in objects {
        let (hull, docker) = (told.get(object), expected.get(object));
        if hull != docker {
            let lines = |said: Option<&Vec<String>>| said.map(|said| said.join("\n    ")).unwrap_or_default();
            faults.push(format!("{object}\n  hull\n    {}\n  docker\n    {}", lines(hull), lines(docker)));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
