//! `cargo xtask book`: the pages of the book, and, if asked for, what they take from the code.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use hull_book::{built, generated, look, measured};

use crate::bench;
use crate::workspace::{cargo, output, root, run, target};

/// Fixed, because versions of mdBook differ in their output.
const VERSION: &str = "0.5.4";

#[derive(Args)]
pub struct Options {
    /// First write what the pages take from the code: everything, or only these subjects, separated by commas. Only
    /// "all" and "commands" compile hull; the others take a second
    #[arg(long, value_name = "SUBJECT", num_args = 0..=1, default_missing_value = "all", value_delimiter = ',')]
    generate: Vec<Subject>,
    /// Serve the book on http://localhost:3000 and build it again after every change
    #[arg(long)]
    serve: bool,
    /// First capture again what a process sees in each set of namespaces, for the interactive page; takes root
    #[arg(long)]
    capture: bool,
    /// First measure hull again, for the tables of times; takes minutes and an otherwise idle machine
    #[arg(long)]
    measure: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Subject {
    /// Everything
    All,
    /// Everything for which hull need not be compiled
    Quick,
    /// Items of source files
    Code,
    /// What each step changes
    Diffs,
    /// The pictures
    Diagrams,
    /// The help of each command
    Commands,
    /// The table of the interactive page
    Look,
    /// The tables of times, from what was measured last
    Measured,
    /// The terminal session of the README
    Session,
    /// The system calls of each step
    Traces,
}

pub fn book(options: &Options) -> Result<()> {
    let mut subjects: Vec<_> = generated::SUBJECTS.into_iter().filter(|name| options.takes(name)).collect();
    if options.capture {
        look::capture_all()?;
        subjects.push("look");
    }
    if options.measure {
        let printed = bench::ratios(60)?;
        measured::measure(&bench::programs()?, &printed)?;
        subjects.push("measured");
    }
    generate(&subjects)?;
    build(if options.serve { "serve" } else { "build" })
}

impl Options {
    /// Whether `--generate` names this directory below `generated/`.
    fn takes(&self, name: &str) -> bool {
        self.generate.iter().any(|subject| match subject {
            Subject::All => true,
            Subject::Quick => name != generated::NEEDS_PROGRAMS,
            one => one.to_possible_value().is_some_and(|value| value.get_name() == name),
        })
    }
}

fn generate(subjects: &[&str]) -> Result<()> {
    if subjects.is_empty() {
        return Ok(());
    }
    if subjects.contains(&generated::NEEDS_PROGRAMS) {
        let mut compile = cargo(&["build", "--bins", "--quiet"]);
        compile.args(generated::packages()?.iter().flat_map(|package| ["--package", package]));
        run(&mut compile)?;
    }
    let changed = generated::update(subjects)?;
    eprintln!("{changed} generated files have changed");
    Ok(())
}

/// Builds the pages; a warning of mdBook's is an error.
pub fn check() -> Result<()> {
    build("build")
}

fn build(verb: &str) -> Result<()> {
    if verb == "serve" {
        return run(Command::new(mdbook()?).arg(verb).arg(root().join("book")));
    }
    let directory = root().join("target/book");
    build_in(&directory)?;
    println!("{}", directory.join("index.html").display());
    Ok(())
}

/// Builds the pages there, from the generated files as they are.
pub fn build_in(directory: &Path) -> Result<()> {
    // mdBook would take a relative path as one below `book/`.
    let directory = std::path::absolute(directory).context("finding the current directory")?;
    built::build(&mdbook()?, &directory)
        .context("`cargo xtask book --generate` writes what pages include from generated/")
}

/// The path of mdBook. The one in PATH is used if it has the right version. Else one is built from crates.io, which takes
/// minutes, and is kept in the target directory.
pub fn mdbook() -> Result<PathBuf> {
    let is_right = |program: &Path| {
        let version = output(Command::new(program).arg("--version")).unwrap_or_default();
        version.trim().ends_with(VERSION)
    };
    let directory = target()?.join("tools");
    let kept = directory.join("bin/mdbook");
    if let Some(found) = [kept.clone(), "mdbook".into()].into_iter().find(|program| is_right(program)) {
        return Ok(found);
    }
    eprintln!("missing: mdbook {VERSION}, which makes the book's pages");
    run(cargo(&["install", "mdbook", "--version", VERSION, "--locked", "--quiet", "--root"]).arg(&directory))?;
    Ok(kept)
}
