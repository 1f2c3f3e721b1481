//! The files around the steps in the reader's workspace.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use lesson_tasks::table::Step;
use nix::unistd::{AccessFlags, access};

use super::place::Place;
use crate::workspace::{root, target};

/// The beginning of the line that names the step that is worked on.
pub const CURRENT: &str = "default-members = [";

/// That line.
pub fn current(step: &Step) -> String {
    format!("{CURRENT}\"{}\"]", step.name)
}

/// Names and texts.
pub fn files(place: &Place, step: &Step) -> Result<Vec<(String, String)>> {
    Ok(vec![
        ("Cargo.toml".into(), manifest(place.path(), step)?),
        (".cargo/config.toml".into(), configuration(place.path())?),
        (".gitignore".into(), "/target/\n/.new-*\n".into()),
        ("README.md".into(), readme()),
    ])
}

/// A section of a TOML file: its heading, and its lines with the heading.
fn sections(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut found: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in text.lines() {
        if line.starts_with('[') {
            found.push((line, Vec::new()));
        }
        if let Some((_, lines)) = found.last_mut() {
            lines.push(line);
        }
    }
    found
}

/// The workspace: versions and profiles are the repository's, so that what is built there is used here.
fn manifest(directory: &Path, step: &Step) -> Result<String> {
    let repository = fs::read_to_string(root().join("Cargo.toml")).context("the repository's Cargo.toml")?;
    let mut text = format!(
        "# Made by `cargo xtask learn`.\n\n[workspace]\nresolver = \"3\"\nmembers = [\"[0-9][0-9]-*\"]\n{}\n",
        current(step)
    );
    let of_ours = |line: &&str| !line.contains("path = \"");
    for (heading, lines) in sections(&repository) {
        let lines = lines.into_iter().filter(of_ours);
        let is_wanted = heading == "[workspace.package]"
            || heading == "[workspace.dependencies]"
            || heading.starts_with("[profile.dev");
        if is_wanted {
            let lines: Vec<&str> = lines.collect();
            text += &format!("\n{}\n", lines.join("\n").trim_end());
        }
        if heading == "[workspace.dependencies]" {
            for (name, path) in [("lesson-lab", "tests/lab"), ("lesson-tasks", "tests/tasks")] {
                text += &format!("{name} = {{ path = {:?} }}\n", root().join(path));
            }
        }
    }
    // Two workspaces with the same step build into the same directory. Cargo tells their packages apart by version.
    let mut hasher = DefaultHasher::new();
    directory.hash(&mut hasher);
    let version =
        text.lines().find(|line| line.starts_with("version = \"")).context("the workspace has a version")?;
    let own = format!("{}+learn.{:016x}\"", version.trim_end_matches('"'), hasher.finish());
    let text = text.replacen(version, &own, 1);
    Ok(
        text + "\n[workspace.lints.rust]\n# A function that is not written yet uses nothing.\nunused = \"allow\"\n"
    )
}

/// The repository's target directory; where this user cannot write to it, the one in which this program was built:
/// `CARGO_TARGET_DIR=DIR cargo xtask learn …`.
fn build_directory(repositorys: &Path) -> Result<PathBuf> {
    let made = fs::create_dir_all(repositorys);
    if made.is_ok() && access(repositorys, AccessFlags::W_OK).is_ok() {
        return Ok(repositorys.to_owned());
    }
    let own = target()?;
    Ok(own.parent().context("the target directory of xtask")?.to_owned())
}

/// Cargo's configuration. Below the repository it is merged with the repository's own.
fn configuration(directory: &Path) -> Result<String> {
    let mut text = "# Made by `cargo xtask learn`.\n\n".to_owned();
    let target = build_directory(&root().join("target"))?;
    let build = format!("# Dependencies are built once, for all workspaces.\nbuild-dir = {target:?}\n");
    if directory.starts_with(root()) {
        text += &format!("[build]\n{build}");
    } else {
        let path = root().join(".cargo/config.toml");
        let repository = fs::read_to_string(&path).context("the repository's .cargo/config.toml")?;
        for (heading, lines) in sections(&repository).into_iter().filter(|(heading, _)| *heading != "[alias]")
        {
            let lines: Vec<&str> = lines.into_iter().skip(1).filter(|line| !line.starts_with('#')).collect();
            text += &format!("{heading}\n{}\n", lines.join("\n").trim_end());
            text += if heading == "[build]" { &build } else { "" };
            text += "\n";
        }
    }
    let manifest = root().join("Cargo.toml");
    // As one string: cargo cannot replace the repository's string by an array. So a path must not have a space in it.
    let alias = format!(
        "run --quiet --manifest-path {} --target-dir {} --package xtask --",
        manifest.display(),
        target.display()
    );
    if !root().to_string_lossy().contains(char::is_whitespace) {
        text += &format!("\n[alias]\nxtask = {alias:?}\n");
    }
    Ok(text)
}

/// Adds to a step's manifest what makes `cargo test` run the tasks and nothing else.
pub fn step_manifest(step: &Step, text: &str) -> String {
    let name = format!("step-{}", step.name);
    format!(
        "{}\n\n[[bin]]\nname = \"{name}\"\npath = \"src/main.rs\"\ntest = false\n\n\
         # The regression test of the step. When all tasks pass: cargo test --test lesson\n\
         [[test]]\nname = \"lesson\"\ntest = false\n",
        text.trim_end()
    )
}

/// What to do first.
fn readme() -> String {
    let book = root().join("book/src/steps");
    format!(
        "\
# Build a container yourself

This directory is yours. Each step has its own directory, with a program that is complete except for a few functions.
You write these functions. Each one is a task, and `cargo test` checks the tasks in order.

## What to do

1. Run `cargo test` in this directory. It stops at the first task that is not done, and prints what it expected,
   what it saw and why. It also names the function to write and the chapter of the book that explains it.
2. Read the chapter, in {book} or in the built book (`cargo xtask book`). Read it up to the heading *Your turn*:
   the section *The code* after it shows a solution of each task.
3. Write the function: replace its `todo!()` with your code. Run `cargo test` again.
4. When all tasks pass, run `cargo test --test lesson`: it tests the whole step, and also what `-v` and the errors say.
   The comment in each function lists these texts. Then run `cargo xtask learn --next`.

| command | what it does |
|---|---|
| `cargo test` | check the tasks, and stop at the first that fails |
| `cargo xtask learn --hint 3` | the hint of task 3 |
| `cargo xtask learn --show 3` | one solution of task 3 |
| `cargo xtask learn --check` | run all tasks, and print a table |
| `cargo xtask learn --doctor` | what this machine lacks |
| `cargo xtask learn --next` | begin the next step, with the functions that you have written |
| `cargo xtask learn 04-overlay` | begin another step, with the solutions of the steps before it |
| `cargo run -- run hostname` | run your program |

You can stop at any time and come back. No command overwrites what you have written.

A few tasks need root. Without root they print NOT CHECKED and the command to run them with `sudo -E`. Do not use
`sudo cargo`, because it leaves files that belong to root in the target directory.
",
        book = book.display()
    )
}
