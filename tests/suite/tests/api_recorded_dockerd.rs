//! The answers in `api_recorded/cases` are those of dockerd 20.10, which Debian has.
//!
//! With `HULL_TEST_RECORD=dockerd` they are written into the cases. With `HULL_TEST_RECORD=current`, and dockerd 28.5 first in
//! PATH, it is what that one answers differently. `HULL_TEST_CASES` runs only the cases whose names, or whose file's name,
//! contain it.

#[allow(dead_code, reason = "each suite uses its part")]
#[path = "api_recorded/case.rs"]
mod case;
#[allow(dead_code, reason = "each suite uses its part")]
#[path = "api_recorded/compare.rs"]
mod compare;
#[path = "api_recorded/describe.rs"]
mod describe;
#[path = "api_recorded/engine.rs"]
#[allow(dead_code, reason = "each suite uses its part")]
mod engine;
#[path = "api_recorded/http.rs"]
mod http;
#[allow(dead_code, reason = "each suite uses its part")]
#[path = "engines/hull_and_docker.rs"]
mod hull_and_docker;
#[path = "api_recorded/masks.rs"]
mod masks;
#[allow(dead_code, reason = "each suite uses its part")]
#[path = "api_recorded/player.rs"]
mod player;
#[allow(dead_code, reason = "each suite uses its part")]
#[path = "engines/sandbox.rs"]
mod sandbox;

use engine::{Engine, Kind};
use hull_test_support::skip;
use sandbox::Sandbox;

#[test]
fn the_cases_say_what_dockerd_answers() {
    for program in ["dockerd", "docker", "containerd", "iptables", "docker-registry"] {
        if skip::find_program(program).is_none() {
            return skip::skip(&format!("{program} is not installed"));
        }
    }
    let Some(sandbox) = Sandbox::start() else { return };
    let engine = Engine::start(&sandbox, Kind::Dockerd);
    let wanted = std::env::var("HULL_TEST_CASES").unwrap_or_default();
    let record = std::env::var("HULL_TEST_RECORD").unwrap_or_default();
    let is_current = record == "current";
    let mut complaints = Vec::new();
    for mut file in case::files() {
        let all = file.path.to_string_lossy().contains(&wanted);
        let mut touched = false;
        for case in file.cases.iter_mut().filter(|case| all || case.name.contains(&wanted)) {
            if case.is("current only") && !is_current {
                continue;
            }
            touched = true;
            let played = player::play(&engine, case);
            let section = if is_current && !case.is("current only") { "current" } else { "answer" };
            for (step, found) in case.steps.iter_mut().zip(&played.answers) {
                let Some(found) = found else { continue };
                if step.section("any answer").is_some() {
                    continue;
                }
                let found = match section {
                    "current" => compare::changes(&step.lines("answer"), found),
                    _ => found.clone(),
                };
                let line = step.text().lines().next().unwrap_or_default().to_owned();
                for change in compare::changes(&step.lines(section), &found) {
                    complaints.push(format!("{}: {line}: {change}", case.name));
                }
                if !record.is_empty() {
                    step.set(section, &found);
                }
            }
            if let Some(error) = played.error {
                eprintln!("{}: {error}", case.name);
                complaints.push(format!("{}: {error}", case.name));
            }
        }
        if !record.is_empty() && touched {
            file.write();
        }
    }
    engine.end();
    sandbox.end(&["buildkit"]);
    let text = complaints.join("\n");
    assert!(complaints.is_empty() || !record.is_empty(), "{} differences:\n{text}", complaints.len());
}
