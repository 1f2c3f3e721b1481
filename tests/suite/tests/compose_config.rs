//! `hull compose config` answers as Docker Compose 2.40.3 does, which `compose_config_live` has recorded.
//! `compose_config/case.rs` explains the cases.
//!
//! `HULL_TEST_CASES` runs only the cases whose names contain it, or those of the file with that name. With
//! `HULL_TEST_RECORD=says`, what hull prints on the standard error becomes the section `hull says` of steps that fail, to be
//! read and shortened before it is committed.

#[allow(dead_code, reason = "each suite uses its part")]
#[path = "compose_config/case.rs"]
mod case;
#[allow(dead_code, reason = "each suite uses its part")]
#[path = "compose_config/player.rs"]
mod player;

use std::collections::BTreeSet;

use case::{Case, Step};
use hull_test_support::{Scenario, program};
use player::{Answer, Program};

#[test]
fn each_project_is_resolved_as_compose_does() {
    let Some(_scenario) = Scenario::start() else { return };
    let wanted = std::env::var("HULL_TEST_CASES").unwrap_or_default();
    let record = std::env::var("HULL_TEST_RECORD").unwrap_or_default();
    let hull = Program::Hull(program::hull().to_owned());
    let (mut complaints, mut names, mut count) = (Vec::new(), BTreeSet::new(), 0);
    for mut file in case::files() {
        let all = file.is_named(&wanted);
        let is_wanted = |case: &Case| all || case.name.contains(&wanted);
        let played: Vec<&Case> = file.cases.iter().filter(|case| is_wanted(case)).collect();
        count += played.len();
        let answers = player::for_each(&played, |case| player::play(&hull, case));
        for (case, answers) in file.cases.iter_mut().filter(|case| is_wanted(case)).zip(answers) {
            assert!(names.insert(case.name.clone()), "two cases are called {}", case.name);
            for (step, answer) in case.steps.iter_mut().zip(&answers) {
                if record == "says" {
                    record_what_it_says(step, answer);
                }
                let wrong = complaints_of(step, answer);
                complaints.extend(wrong.iter().map(|why| format!("{}: {}: {why}", case.name, step.line())));
            }
        }
        if record == "says" {
            file.write();
        }
    }
    let text = complaints.join("\n");
    assert!(complaints.is_empty(), "{count} cases, {} complaints:\n{text}", complaints.len());
}

fn complaints_of(step: &Step, answer: &Answer) -> Vec<String> {
    let mut complaints = Vec::new();
    let number = |name| step.word(name).map(|word| word.parse().expect("an exit code"));
    let exit: i32 = number("hull exit").or_else(|| number("exit")).unwrap_or(0);
    if answer.exit != exit {
        complaints.push(format!("exit code {} instead of {exit}: {}", answer.exit, answer.stderr.trim_end()));
    }
    let stdout = match step.section("hull") {
        Some(_) => step.lines("hull").iter().map(|line| format!("{line}\n")).collect(),
        None => step.stdout().to_owned(),
    };
    complaints.extend(difference(&stdout, &answer.stdout));
    if step.section("hull").is_some_and(|text| !text.starts_with("# ")) {
        complaints.push("a difference without a reason".to_owned());
    }
    if let Some(path) = step.word("wrote") {
        let meant = step.section(&format!("wrote {path}")).unwrap_or_default();
        complaints.extend(difference(meant, answer.wrote.as_deref().unwrap_or("no file\n")));
    }
    let says = step.section("hull says").is_some();
    let texts = if says { step.lines("hull says") } else { step.lines("warnings") };
    for text in texts.iter().filter(|text| !answer.stderr.contains(*text)) {
        complaints.push(format!("the standard error lacks {text:?}: {}", answer.stderr.trim_end()));
    }
    if exit != 0 && !says {
        complaints.push(format!("the case does not say what hull says: {}", answer.stderr.trim_end()));
    }
    if exit == 0 && texts.is_empty() && !answer.stderr.is_empty() {
        complaints.push(format!("an unexpected message: {}", answer.stderr.trim_end()));
    }
    complaints
}

/// The lines that differ, in the form of a diff without context.
fn difference(meant: &str, found: &str) -> Option<String> {
    if meant == found {
        return None;
    }
    let (meant, found): (Vec<&str>, Vec<&str>) = (meant.lines().collect(), found.lines().collect());
    let same = |pairs: &mut dyn Iterator<Item = (&&str, &&str)>| pairs.take_while(|(a, b)| a == b).count();
    let before = same(&mut meant.iter().zip(&found));
    let after = same(&mut meant[before..].iter().rev().zip(found[before..].iter().rev()));
    let lines = |mark: &str, lines: &[&str]| -> String {
        lines.iter().take(20).map(|line| format!("\n    {mark} {line}")).collect()
    };
    let minus = lines("-", &meant[before..meant.len() - after]);
    Some(format!("line {}:{minus}{}", before + 1, lines("+", &found[before..found.len() - after])))
}

/// The lines that give a position and a sentence, without the excerpt and the hint.
fn record_what_it_says(step: &mut Step, answer: &Answer) {
    let texts = step.lines("warnings");
    let is_known = answer.stderr.is_empty() || !texts.is_empty();
    let differs = !is_known || texts.iter().any(|text| !answer.stderr.contains(text));
    if step.section("hull says").is_none() && (step.word("exit").is_some() || differs) {
        let lines = answer.stderr.lines().filter_map(|line| line.strip_prefix("hull: "));
        step.set("hull says", "", Some(lines.map(|line| format!("{line}\n")).collect()));
    }
}
