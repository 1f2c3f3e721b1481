//! The proof that lesson, solution and tasks belong together, and a reader's whole journey.
//!
//! For each step, in one workspace: as the reader gets it, every task fails; with blanks 1 to k filled, tasks 1 to k pass
//! and task k + 1 fails; with the body of blank k empty, task k fails, and for an unprivileged user it does not pass; with
//! all filled, all pass, and the regression test of the step passes there too; and `--next` leads to the next step.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Result, bail};
use lesson_tasks::table::{STEPS, Step};

use super::blanks::{self, ENVIRONMENT, NewBody, body_of_solution, body_to_choose};
use super::place::Place;
use super::{begin, next, tasks};
use crate::workspace::{cargo, run};

/// For one step, or for all that have tasks.
pub fn prove(only: Option<&'static Step>) -> Result<()> {
    let directory = tempfile::tempdir()?;
    // An unprivileged user runs the programs too.
    fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755))?;
    let place = Place::find(Some(&directory.path().join("learn")))?;
    if let Some(step) = only {
        begin(&place, step)?;
        return prove_step(&place, step);
    }
    eprintln!("-- the workspace is {}", place.path().display());
    let mut wrong = Vec::new();
    for step in &STEPS {
        if step.blanks.is_empty() {
            wrong.push(format!("{} has no tasks", step.name));
            continue;
        }
        // The first step with tasks begins the journey, and the others come from `--next`.
        let before = place.steps().last().copied();
        match before {
            Some(before) if before.number() + 1 == step.number() => next::next(&place)?,
            _ => begin(&place, step)?,
        }
        if let Err(why) = prove_step(&place, step) {
            wrong.push(format!("{}: {why:#}", step.name));
        }
        fill(&place, step, body_of_solution)?;
        if let Err(why) = regression_test(&place, step) {
            wrong.push(format!("{}: {why:#}", step.name));
        }
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    Ok(())
}

/// Writes the step's source files anew, with these bodies.
fn fill(place: &Place, step: &Step, body: NewBody) -> Result<()> {
    for blank in step.blanks {
        let path = place.directory_of(step).join("src").join(blank.file);
        // The solution, and then each blank of this file in turn.
        let mut text = blanks::solution(step, blank.file)?;
        for blank in step.blanks.iter().filter(|other| other.file == blank.file) {
            text = blanks::with_blank(step, blank, &text, body)?;
        }
        if fs::read_to_string(&path)? != text {
            fs::write(&path, text)?;
        }
    }
    Ok(())
}

/// What the reader is told to run when all tasks pass.
fn regression_test(place: &Place, step: &Step) -> Result<()> {
    let package = format!("step-{}", step.name);
    // A plain `cargo test`, which the reader has run before, builds the examples too.
    let quiet = ["--quiet", "--package", &package];
    run(cargo(&["build", "--examples"]).args(quiet).current_dir(place.path()))?;
    let mut test = cargo(&["test", "--test", "lesson"]);
    run(test.args(quiet).current_dir(place.path()).env("RUST_BACKTRACE", "0"))
}

fn prove_step(place: &Place, step: &'static Step) -> Result<()> {
    let directory = place.directory_of(step);
    let count = step.tasks();
    eprintln!("-- {}: as the reader gets it", step.name);
    let program = tasks::build(place, step)?;
    let mut wrong = Vec::new();
    let found = tasks::run(&program, &directory, &["--all"], &[])?;
    wrong.extend(not_checked(&found));
    for task in found.iter().filter(|task| task.state == "ok") {
        wrong.push(format!("task {} passes while nothing is written", task.number));
    }
    let escapes = found.iter().filter(|task| task.escape).count();
    if escapes != 1 {
        wrong.push(format!("it has {escapes} escape tasks, and one is wanted"));
    }
    fill(place, step, body_to_choose)?;
    let program = tasks::build(place, step)?;
    for filled in 0..=count {
        let found = tasks::run(&program, &directory, &[], &[(ENVIRONMENT, &format!("{filled} 0"))])?;
        let passed = found.iter().filter(|task| task.state == "ok").count();
        wrong.extend(not_checked(&found));
        if passed != filled {
            let last =
                found.last().map(|task| format!("task {}: {}", task.number, task.seen)).unwrap_or_default();
            wrong.push(format!("with blanks 1 to {filled} filled, {passed} tasks pass; {last}"));
        }
    }
    for empty in 1..=count {
        let environment = format!("{} {empty}", empty - 1);
        let found = tasks::run(&program, &directory, &[&empty.to_string()], &[(ENVIRONMENT, &environment)])?;
        if found.iter().any(|task| task.state != "fails") {
            let state: Vec<_> = found.iter().map(|task| format!("{}: {}", task.state, task.seen)).collect();
            wrong.push(format!(
                "task {empty} does not fail while its function is empty: {}",
                state.join(", ")
            ));
        }
    }
    wrong.extend(as_unprivileged(&program, &directory, count)?);
    if !wrong.is_empty() {
        wrong.dedup();
        bail!("{}", wrong.join("\n  "));
    }
    eprintln!("-- {}: proved for {count} tasks", step.name);
    Ok(())
}

/// What an unprivileged reader would be told too well: a task that passes while its function is empty, because the half
/// of its check that sees it needs root. Such a task must be NOT CHECKED.
fn as_unprivileged(program: &Path, directory: &Path, count: usize) -> Result<Vec<String>> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(Vec::new());
    }
    let mut wrong = Vec::new();
    for empty in 1..=count {
        let environment = [(ENVIRONMENT, &*format!("{} {empty}", empty - 1))];
        let found = tasks::run_unprivileged(program, directory, &[&empty.to_string()], &environment)?;
        if found.iter().any(|task| task.state == "ok") {
            wrong.push(format!("for an unprivileged user task {empty} passes while its function is empty"));
        }
    }
    let found = tasks::run_unprivileged(program, directory, &["--all"], &[])?;
    for task in found.iter().filter(|task| !matches!(&*task.state, "ok" | "not checked")) {
        wrong.push(format!(
            "for an unprivileged user task {} is not solved by the solution: {}",
            task.number, task.seen
        ));
    }
    Ok(wrong)
}

fn not_checked(found: &[tasks::Task]) -> Vec<String> {
    let unchecked = found.iter().filter(|task| task.state == "not checked");
    unchecked.map(|task| format!("task {} was not checked: {}", task.number, task.seen)).collect()
}
