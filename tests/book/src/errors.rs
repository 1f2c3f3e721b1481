//! Compares the chapter on troubleshooting with hull's errors: each error that hull explains has a heading, and each heading
//! is the text of an error.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::{book, code, workspace};

/// Headings that are no text of an error: they describe what a user sees.
const SYMPTOMS: [&str; 3] =
    ["Exit code 137", "hull stop takes ten seconds", "Nothing comes out of a published port"];

/// The list of the errors that have a heading.
const LIST: &str = "final/src/ui/book/EXPLAINED.rs";

pub fn complaints() -> Result<Vec<String>> {
    let page = fs::read_to_string(book().join("src/reference/troubleshooting.md"))?;
    let headings: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let list = code::item(Path::new(LIST))?;
    let (_, list) = list.split_once('=').context("a constant has a value")?;
    let explained: Vec<_> = list.split('"').skip(1).step_by(2).collect();
    let mut complaints = Vec::new();
    for text in &explained {
        if !headings.contains(text) {
            complaints
                .push(format!("hull refers to the book for \"{text}\", but the chapter has no such heading"));
        }
    }
    let said = said()?;
    for heading in headings.iter().filter(|heading| !SYMPTOMS.contains(heading)) {
        if !explained.contains(heading) {
            complaints.push(format!("\"{heading}\" is not in {LIST}"));
        }
        if !said.iter().any(|text| text.contains(heading)) {
            complaints.push(format!("no error contains \"{heading}\""));
        }
    }
    Ok(complaints)
}

/// The text of hull's sources without that list, and the texts of all errors of the kernel.
fn said() -> Result<Vec<String>> {
    let errnos = (1..134).map(|errno| std::io::Error::from_raw_os_error(errno).to_string());
    let mut said: Vec<String> = errnos.collect();
    let mut rest: Vec<PathBuf> = vec![workspace().join("final")];
    while let Some(path) = rest.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).with_context(|| format!("reading {}", path.display()))?;
            rest.extend(entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("ui/book.rs")
        {
            said.push(fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?);
        }
    }
    Ok(said)
}
