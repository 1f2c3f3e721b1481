//! The pages as mdBook makes them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::transcripts::lab;

/// The program mdBook, which `cargo xtask book` has installed.
pub fn mdbook() -> Result<Option<PathBuf>> {
    let binaries = lab::binaries()?;
    let target = binaries.parent().context("binaries are in a target directory")?;
    let mdbook = target.join("tools/bin/mdbook");
    Ok(mdbook.exists().then_some(mdbook))
}

/// Builds the book in `directory`. A warning of mdBook is an error.
pub fn build(mdbook: &Path, directory: &Path) -> Result<()> {
    let mut command = Command::new(mdbook);
    command.arg("build").arg(crate::book()).arg("--dest-dir").arg(directory);
    let output = command.output().context("running mdbook")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() || said.contains("WARN") || said.contains("ERROR") {
        bail!("mdbook build:\n{said}");
    }
    Ok(())
}

/// Every page below `directory`, by its path in it, without the pages that mdBook adds.
pub fn pages(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut pages = Vec::new();
    let mut rest = vec![directory.to_owned()];
    while let Some(next) = rest.pop() {
        for entry in fs::read_dir(&next).with_context(|| format!("reading {}", next.display()))? {
            let path = entry?.path();
            let is_page = path.extension().is_some_and(|extension| extension == "html");
            // A frame for browsers without scripts, a page for servers, and parts of other pages.
            let is_own = path.ends_with("toc.html")
                || path.ends_with("404.html")
                || path.components().any(|part| part.as_os_str() == "generated");
            match path.is_dir() {
                true => rest.push(path),
                false if is_page && !is_own => pages.push(path.strip_prefix(directory)?.to_owned()),
                false => {}
            }
        }
    }
    pages.sort();
    Ok(pages)
}
