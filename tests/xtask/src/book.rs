//! `cargo xtask book`: what the book takes from the code, and its pages.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::bench;
use crate::workspace::{cargo, output, root, run, target};

/// Fixed, because versions of mdBook differ in their output.
const VERSION: &str = "0.5.4";

pub fn book(serve: bool, capture: bool, measure: bool) -> Result<()> {
    run(&mut cargo(&["build", "--workspace", "--bins", "--quiet"]))?;
    if capture {
        hull_book::look::capture_all()?;
    }
    if measure {
        let printed = bench::ratios(60)?;
        hull_book::measured::measure(&bench::programs()?, &printed)?;
    }
    let changed = hull_book::generated::update()?;
    eprintln!("{changed} generated files have changed");
    build(if serve { "serve" } else { "build" })
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
        bail!("mdbook build:\n{said}");
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
