//! `cargo xtask book`: the pages of the book, and, if asked for, what they take from the code.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use hull_book::{generated, look, measured};

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
    let mut mdbook = Command::new(install()?);
    mdbook.arg(verb).arg(root().join("book"));
    if verb == "serve" {
        return run(&mut mdbook);
    }
    let built = mdbook.output().context("running mdbook")?;
    let said = String::from_utf8_lossy(&built.stderr);
    if !built.status.success() || said.contains("WARN") || said.contains("ERROR") {
        bail!(
            "mdbook build:\n{said}hint: `cargo xtask book --generate` writes files that pages include from generated/"
        );
    }
    println!("{}", root().join("target/book/index.html").display());
    Ok(())
}

/// The path of mdbook, which is built from crates.io if it is missing; that takes minutes.
fn install() -> Result<PathBuf> {
    let directory = target()?.join("tools");
    let mdbook = directory.join("bin/mdbook");
    let version = output(Command::new(&mdbook).arg("--version")).unwrap_or_default();
    if !version.trim().ends_with(VERSION) {
        eprintln!("missing: mdbook {VERSION}, which makes the book's pages");
        run(cargo(&["install", "mdbook", "--version", VERSION, "--locked", "--quiet", "--root"])
            .arg(&directory))?;
    }
    Ok(mdbook)
}
