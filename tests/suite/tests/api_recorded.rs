//! `hull serve` answers each request as dockerd does. `api_recorded/cases` has the requests and dockerd's answers, which
//! `api_recorded_dockerd` has recorded.
//!
//! To see what an endpoint has to answer, look for it in the cases: `grep -rn 'GET /v1.41/containers/json' .../cases`. Its
//! section `answer` is dockerd 20.10's answer key by key, `current` is what dockerd 28.5 changes, and hull may answer either.
//! `api_recorded/case.rs` explains the sections, `api_recorded/describe.rs` the lines of an answer.
//!
//! `HULL_TEST_CASES` runs only the cases whose names, or whose file's name, contain it. With `HULL_TEST_RECORD=hull` the
//! differences are written into the cases. Each of them needs a reason, a line that begins with `# `, before it is committed.

#[allow(dead_code, reason = "each suite uses its part")]
#[path = "api_recorded/case.rs"]
mod case;
#[path = "api_recorded/compare.rs"]
#[allow(dead_code, reason = "each suite uses its part")]
mod compare;
#[path = "api_recorded/describe.rs"]
mod describe;
#[allow(dead_code, reason = "each suite uses its part")]
#[path = "api_recorded/engine.rs"]
mod engine;
#[path = "api_recorded/http.rs"]
mod http;
#[allow(dead_code, reason = "each suite uses its part")]
#[path = "engines/hull_and_docker.rs"]
mod hull_and_docker;
#[path = "api_recorded/masks.rs"]
mod masks;
#[path = "api_recorded/player.rs"]
mod player;
#[path = "api_recorded/rules.rs"]
mod rules;
#[allow(dead_code, reason = "each suite uses its part")]
#[path = "engines/sandbox.rs"]
mod sandbox;
#[path = "api_recorded/schema.rs"]
mod schema;

use std::collections::BTreeSet;

use case::Case;
use engine::{Engine, Kind};
use sandbox::Sandbox;

#[test]
fn each_answer_is_the_one_of_dockerd() {
    let Some(sandbox) = Sandbox::start() else { return };
    let engine = Engine::start(&sandbox, Kind::Hull);
    let wanted = std::env::var("HULL_TEST_CASES").unwrap_or_default();
    let record = std::env::var("HULL_TEST_RECORD").unwrap_or_default() == "hull";
    let (mut complaints, mut count) = (Vec::new(), 0);
    let mut used = BTreeSet::new();
    for mut file in case::files() {
        let all = file.path.to_string_lossy().contains(&wanted);
        let mut touched = false;
        for case in file.cases.iter_mut().filter(|case| all || case.name.contains(&wanted)) {
            if case.is("dockerd only") {
                continue;
            }
            count += 1;
            touched = true;
            complaints.extend(compare_case(&engine, case, &mut used, record));
        }
        if record && touched {
            file.write();
        }
    }
    engine.end();
    if wanted.is_empty() {
        let unused = rules::RULES.iter().enumerate().filter(|(index, _)| !used.contains(index));
        complaints.extend(unused.map(|(_, rule)| format!("a rule without a use: {rule:?}")));
    }
    let text = complaints.join("\n");
    assert!(complaints.is_empty(), "{count} cases, {} complaints:\n{text}", complaints.len());
    sandbox.end(&["hull"]);
}

/// The newest version has no oracle among Debian's packages, but a description.
#[test]
fn each_answer_of_the_newest_version_is_as_described() {
    let Some(sandbox) = Sandbox::start() else { return };
    let engine = Engine::start(&sandbox, Kind::Hull);
    let wanted = std::env::var("HULL_TEST_CASES").unwrap_or_default();
    let seen = std::cell::RefCell::new(std::collections::BTreeMap::<&str, BTreeSet<String>>::new());
    for file in case::files() {
        let all = file.path.to_string_lossy().contains(&wanted);
        for case in file.cases.iter().filter(|case| all || case.name.contains(&wanted)) {
            let watch = |endpoint: &str, answer: &http::Answer| {
                if let Some((pattern, lines)) = schema::complaints(endpoint, answer) {
                    seen.borrow_mut().entry(pattern).or_default().extend(lines);
                }
            };
            // Some requests fail in a newer version, where they were meant to succeed in an older one.
            let _ = player::play_with(&engine, case, Some("1.51"), &watch);
        }
    }
    engine.end();
    let seen = seen.into_inner();
    let unseen = schema::patterns().filter(|pattern| wanted.is_empty() && !seen.contains_key(pattern));
    let mut complaints: Vec<String> = unseen.map(|pattern| format!("{pattern} was never answered")).collect();
    for (pattern, lines) in &seen {
        complaints.extend(lines.iter().map(|line| format!("{pattern}: {line}")));
    }
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
    sandbox.end(&["hull"]);
}

fn compare_case(
    engine: &Engine<'_>,
    case: &mut Case,
    used: &mut BTreeSet<usize>,
    record: bool,
) -> Vec<String> {
    let played = player::play(engine, case);
    let mut complaints = Vec::new();
    let name = case.name.clone();
    let answers = played.answers.iter().zip(&played.endpoints);
    for (step, (found, endpoint)) in case.steps.iter_mut().zip(answers) {
        let Some(found) = found else { continue };
        if step.section("any answer").is_some() {
            continue;
        }
        let differing = compare::differences(&step.lines("answer"), &step.lines("current"), found);
        let differing = rules::uncovered(endpoint, differing, used);
        let meant = step.lines("hull");
        let line = step.text().split_whitespace().collect::<Vec<_>>().join(" ");
        let line: String = line.chars().take(150).collect();
        for wrong in compare::changes(&meant, &differing) {
            // A difference that is there is `+ - key value` or `+ + key value`.
            complaints.push(format!("{name}: {line}: {wrong}"));
        }
        if record {
            step.set("hull", &differing);
        }
        if step.section("hull").is_some() && !step.gives_reason("hull") {
            complaints.push(format!("{name}: {line}: a difference without a reason"));
        }
    }
    complaints.extend(played.error.map(|error| format!("{name}: {error}")));
    complaints
}
