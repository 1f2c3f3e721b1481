//! Runs the tasks of a step in the reader's workspace.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use lesson_tasks::lesson_lab::UNPRIVILEGED;
use lesson_tasks::table::Step;
use serde_json::Value;

use super::place::Place;
use crate::workspace::cargo;

/// The outcome of one task.
#[derive(Debug)]
pub struct Task {
    pub number: usize,
    pub title: String,
    pub escape: bool,
    /// `ok`, `fails`, `to do` or `not checked`.
    pub state: String,
    /// What was seen, or why it was not checked.
    pub seen: String,
}

/// Compiles the tasks and returns the program that runs them. The compiler's errors are cargo's own.
pub fn build(place: &Place, step: &Step) -> Result<PathBuf> {
    let mut command = cargo(&["test", "--test", "tasks", "--no-run", "--quiet"]);
    command.args(["--package", &format!("step-{}", step.name)]);
    command.args(["--message-format", "json-render-diagnostics"]).current_dir(place.path());
    let output = command.stderr(Stdio::inherit()).output().context("starting cargo")?;
    if !output.status.success() {
        bail!("{} does not compile: the errors of the compiler stand above", step.name);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let mut programs = text.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let is_it = message["target"]["name"] == "tasks" && message["profile"]["test"] == true;
        Some(PathBuf::from(message["executable"].as_str().filter(|_| is_it)?))
    });
    programs.next_back().context("cargo has built no tasks")
}

/// Variables of the environment, and their values.
type Environment<'a> = &'a [(&'a str, &'a str)];

/// Runs the program with these arguments and environment and reads the outcomes.
pub fn run(
    program: &Path,
    directory: &Path,
    args: &[&str],
    environment: Environment<'_>,
) -> Result<Vec<Task>> {
    outcomes(Command::new(program), directory, args, environment)
}

/// The same as an unprivileged user, which only root can do.
pub fn run_unprivileged(
    program: &Path,
    directory: &Path,
    args: &[&str],
    environment: Environment<'_>,
) -> Result<Vec<Task>> {
    let mut command = Command::new(program);
    command.uid(UNPRIVILEGED).gid(UNPRIVILEGED);
    // This user skips the parts that need root, also where no test of root may skip.
    command.env_remove("HULL_TESTS_MUST_RUN");
    outcomes(command, directory, args, environment)
}

fn outcomes(
    mut command: Command,
    directory: &Path,
    args: &[&str],
    environment: Environment<'_>,
) -> Result<Vec<Task>> {
    command.arg("--json").args(args).current_dir(directory).env("CARGO_MANIFEST_DIR", directory);
    command.envs(environment.iter().copied()).stderr(Stdio::inherit());
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("starting {program}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let tasks: Vec<Task> = text.lines().filter_map(parse).collect();
    if tasks.is_empty() {
        let text = if text.is_empty() { "the reason stands above" } else { &text };
        bail!("{program} printed no outcome of a task: {text}");
    }
    Ok(tasks)
}

fn parse(line: &str) -> Option<Task> {
    let value: Value = serde_json::from_str(line).ok()?;
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    Some(Task {
        number: value["task"].as_u64()?.try_into().ok()?,
        title: text("title"),
        escape: value["escape"] == true,
        state: text("state"),
        seen: text("seen"),
    })
}
