//! BuildKit, the legacy builder and podman build the cases. BuildKit's image is what a case says; the others differ from it
//! where the case says so.
//!
//! With `HULL_TEST_RECORD=peers` the results are written into the cases, to be read before they are committed. With
//! `HULL_TEST_RECORD=current`, and a newer dockerd first in PATH, it is what that one's BuildKit makes differently.
//!
//! Differences that every case would have are left out: podman keeps the places of the files that it mounts into a RUN
//! container, and it sorts variables.
//! `HULL_TEST_CASES` runs only the cases whose names contain it.

#[allow(dead_code, reason = "each suite uses its part")]
#[path = "build_cases/builders.rs"]
mod builders;
#[allow(dead_code, reason = "each suite uses its part")]
#[path = "build_cases/case.rs"]
mod case;
#[allow(dead_code, reason = "each suite uses its part")]
#[path = "engines/hull_and_docker.rs"]
mod hull_and_docker;
#[allow(dead_code, reason = "each suite uses its part")]
#[path = "engines/sandbox.rs"]
mod sandbox;

use builders::{Builder, Builders};
use case::Case;
use hull_test_support::saved::differences;
use hull_test_support::skip;
use sandbox::Sandbox;

#[test]
fn the_cases_say_what_other_builders_make() {
    for program in ["dockerd", "podman"] {
        if skip::find_program(program).is_none() {
            return skip::skip(&format!("{program} is not installed"));
        }
    }
    let Some(sandbox) = Sandbox::start() else { return };
    let mut dockerd = sandbox.dockerd();
    let served = sandbox.path("served");
    std::fs::create_dir_all(&served).unwrap();
    let mut server = sandbox.spawn(&["busybox", "httpd", "-f", "-p", "127.0.0.1:8000", "-h", &served]);
    let builders = Builders::new(&sandbox, &[Builder::BuildKit, Builder::Podman]);
    let wanted = std::env::var("HULL_TEST_CASES").unwrap_or_default();
    let record = std::env::var("HULL_TEST_RECORD").unwrap_or_default();
    let mut complaints = Vec::new();
    for mut file in case::files() {
        for case in file.cases.iter_mut().filter(|case| case.name.contains(&wanted)) {
            let found = if record == "current" { current(&builders, case) } else { results(&builders, case) };
            for (section, lines) in &found {
                for line in differences(&case.lines(section), lines) {
                    complaints.push(format!("{}: {section}: {line}", case.name));
                }
                if !record.is_empty() {
                    case.set(section, lines);
                }
            }
        }
        if !record.is_empty() {
            file.write();
        }
    }
    let _ = server.kill();
    let _ = server.wait();
    sandbox::terminate(&mut dockerd);
    sandbox.end(&["buildkit"]);
    assert!(
        complaints.is_empty() || !record.is_empty(),
        "{} differences:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}

/// What the three make of a case, by the names of its sections.
fn results(builders: &Builders<'_>, case: &Case) -> Vec<(&'static str, Vec<String>)> {
    if case.section("reference").is_some() {
        // Debian's builders are older than what it uses.
        return vec![];
    }
    let context = builders.prepare(case);
    builders.load_images(Builder::BuildKit, case);
    builders.load_images(Builder::Podman, case);
    let build = |builder| build(builders, builder, case, &context);
    let asks_legacy = case.section("legacy none").is_none();
    let asks_podman = case.section("podman none").is_none();
    let (buildkit, legacy, podman) = std::thread::scope(|scope| {
        let podman = asks_podman.then(|| scope.spawn(|| build(Builder::Podman)));
        let buildkit = build(Builder::BuildKit);
        let legacy = if asks_legacy { build(Builder::Legacy) } else { buildkit.clone() };
        let podman = podman.map(|podman| podman.join().expect("a builder's thread"));
        let podman = podman.unwrap_or_else(|| buildkit.clone());
        (buildkit, legacy, podman)
    });
    let others = |of: &[String]| {
        let mut lines = differences(&buildkit, of);
        // The texts of their histories are their own.
        lines.retain(|line| !line[2..].starts_with("history"));
        lines.retain(|line| !PLACES.contains(&line.as_str()));
        lines
    };
    let (legacy, podman) = (others(&legacy), others(&podman));
    vec![("result", buildkit), ("legacy", legacy), ("podman", podman)]
}

/// What `RUN` of podman leaves in a layer.
const PLACES: [&str; 4] = [
    "+ /etc/hostname file 755 0:0 \"\"",
    "+ /etc/hosts file 755 0:0 \"\"",
    "+ /etc/resolv.conf file 755 0:0 \"\"",
    "+ /run directory 755 0:0",
];

/// What the BuildKit of another dockerd makes differently; all of it if the older one is not asked.
fn current(builders: &Builders<'_>, case: &Case) -> Vec<(&'static str, Vec<String>)> {
    let context = builders.prepare(case);
    builders.load_images(Builder::BuildKit, case);
    let made = build(builders, Builder::BuildKit, case, &context);
    match case.section("reference") {
        Some(_) => vec![("expected", made)],
        None => vec![("current", differences(&case.lines("result"), &made))],
    }
}

fn build(builders: &Builders<'_>, builder: Builder, case: &Case, context: &str) -> Vec<String> {
    builders.build(builder, case, context).unwrap_or_else(|outcome| {
        if std::env::var_os("HULL_TEST_RECORD").is_some() {
            eprintln!("{}: {builder:?}: {outcome}", case.name);
        }
        vec!["fails".to_owned()]
    })
}
