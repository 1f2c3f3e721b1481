//! Docker Compose answers what the cases of `compose_config` say.
//!
//! With `HULL_TEST_RECORD=compose` its answers are written into the cases, to be read before they are committed.
//! `HULL_TEST_CASES` runs only the cases whose names contain it, or those of the file with that name.

#[allow(dead_code, reason = "each suite uses its part")]
#[path = "compose_config/case.rs"]
mod case;
#[allow(dead_code, reason = "each suite uses its part")]
#[path = "compose_config/player.rs"]
mod player;

use case::{Case, Step};
use hull_test_support::{Scenario, outcome, program, python};
use player::{Answer, Program};

#[test]
fn the_cases_say_what_compose_answers() {
    let compose = match python::compose() {
        Ok(path) => Program::Compose(path),
        Err(error) => hull_test_support::skip!("Docker Compose cannot be downloaded: {error}"),
    };
    let Some(_scenario) = Scenario::start() else { return };
    let wanted = std::env::var("HULL_TEST_CASES").unwrap_or_default();
    let record = std::env::var("HULL_TEST_RECORD").unwrap_or_default() == "compose";
    let mut complaints = Vec::new();
    for mut file in case::files() {
        let all = file.is_named(&wanted);
        let is_wanted = |case: &Case| all || case.name.contains(&wanted);
        let played: Vec<&Case> = file.cases.iter().filter(|case| is_wanted(case)).collect();
        let mut answers = player::for_each(&played, |case| player::play(&compose, case)).into_iter();
        for case in file.cases.iter_mut().filter(|case| is_wanted(case)) {
            for (step, answer) in case.steps.iter_mut().zip(answers.next().expect("one of each case")) {
                let before = format!("{step:?}");
                set(step, &answer);
                if before != format!("{step:?}") {
                    complaints.push(format!("{}: {}: {answer:#?}", case.name, step.line()));
                }
            }
        }
        if record {
            file.write();
        }
    }
    let text = complaints.join("\n");
    assert!(complaints.is_empty() || record, "{} complaints:\n{text}", complaints.len());
}

/// Writes an answer into a step.
fn set(step: &mut Step, answer: &Answer) {
    let (warnings, error) = answer.warnings();
    let some = |text: String| (!text.is_empty()).then_some(text);
    step.set_stdout(answer.stdout.clone());
    step.set("warnings", "", some(warnings));
    if step.section("error varies").is_none() {
        step.set("error", "", some(error));
    }
    step.set("exit", &answer.exit.to_string(), (answer.exit != 0).then(String::new));
    if let Some(path) = wrote(step.line()) {
        step.set("wrote", &path, answer.wrote.clone());
    }
}

/// The name after `-o`.
fn wrote(line: &str) -> Option<String> {
    Some(line.split_once(" -o ")?.1.split(' ').next()?.to_owned())
}

/// A scalar, and what is printed for it as an extension and as a variable. `None` is an error.
type Scalar = (String, Option<String>, Option<String>);

/// `final/crates/composefile/tests/scalars.rs` has the table, and holds hull against it.
#[test]
fn the_table_of_scalars_says_what_compose_prints() {
    let compose = match python::compose() {
        Ok(path) => path,
        Err(error) => hull_test_support::skip!("Docker Compose cannot be downloaded: {error}"),
    };
    let Some(scenario) = Scenario::start() else { return };
    let table = program::workspace().join("final/crates/composefile/tests/data/scalars.jsonl");
    let table = std::fs::read_to_string(table).expect("a file of the repository");
    let rows: Vec<Scalar> = table.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let config = |services: &str, extensions: &str| {
        let services = if services.is_empty() { "  {}\n" } else { services };
        let file = scenario.write("compose.yaml", format!("services:\n{services}{extensions}"));
        let mut command = std::process::Command::new(&compose);
        outcome::run(command.arg("-f").arg(file).args(["-p", "p", "config", "--no-normalize"]))
    };
    let service = |name: &str, scalar: &str| {
        let scalar = scalar.replace('\n', "\n      ");
        format!("  {name}:\n    image: b\n    environment:\n      A: {scalar}\n")
    };
    // All that are right in one file, and each of the others in one of its own.
    let (mut services, mut extensions) = (String::new(), String::new());
    let (mut printed, mut printed_extensions) = ("name: p\nservices:\n".to_owned(), String::new());
    for (number, (scalar, extension, variable)) in rows.iter().enumerate() {
        match extension {
            Some(text) => {
                extensions.push_str(&format!("x-{number:03}: {scalar}\n"));
                printed_extensions.push_str(&text.replacen("x-a:", &format!("x-{number:03}:"), 1));
            }
            None => drop(config("", &format!("x-a: {scalar}\n")).fails(1)),
        }
        match variable {
            Some(text) => {
                services.push_str(&service(&format!("s{number:03}"), scalar));
                printed.push_str(&format!("  s{number:03}:\n{text}    image: b\n"));
            }
            None => drop(config(&service("a", scalar), "").fails(1)),
        }
    }
    let (found, wanted) = (config(&services, &extensions), printed + &printed_extensions);
    let differs = found.ok().lines().zip(wanted.lines()).find(|(found, wanted)| found != wanted);
    assert!(found.stdout == wanted, "{differs:?}");
}
