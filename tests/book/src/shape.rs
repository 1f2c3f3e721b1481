//! What every chapter of the seven steps has, and where the glossary is linked from.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::links::headings;
use crate::{pages, workspace};

/// A list of what the steps leave open: there is nothing to build in it.
const LIST: &str = "steps/07-security/leaks.md";

/// Of a chapter: what a reader needs there, and how it is recognised.
const PARTS: [(&str, &[&str]); 7] = [
    ("a question to answer before running", &["Predict"]),
    ("a picture", &["{{#include ../../generated/diagrams/"]),
    ("something that is run", &["```console"]),
    ("code from the step", &["{{#include ../../generated/code/"]),
    ("what can go wrong", &["## What can go wrong", "## Break it", "## Often said, and not so"]),
    ("exercises", &["## Exercises"]),
    ("where it lives", &["## Where this lives"]),
];

const OTHERS: [&str; 5] = ["runc", "crun", "podman", "docker", "containerd"];

pub fn complaints() -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    let pages = pages::all()?;
    let chapters = pages.iter().filter(|page| page.path.starts_with("steps") && page.path != Path::new(LIST));
    for page in chapters {
        let mut miss = |what: &str| complaints.push(format!("{} has not {what}", page.path.display()));
        for (what, signs) in PARTS {
            if !signs.iter().any(|sign| page.text.contains(sign)) {
                miss(what);
            }
        }
        let (_, exercises) = page.text.split_once("## Exercises").unwrap_or_default();
        let answers = exercises.matches("<summary>Answer</summary>").count();
        let questions = exercises.lines().filter(|line| is_numbered(line)).count();
        if answers == 0 || answers != questions {
            miss("an answer to each exercise");
        }
        let (_, lives) = page.text.split_once("## Where this lives").unwrap_or_default();
        if !lives.contains("hull") || !OTHERS.iter().any(|other| lives.contains(other)) {
            miss("hull and another engine among where it lives");
        }
    }
    complaints.extend(gone(&pages)?);
    complaints.extend(without_difference(&pages));
    complaints.extend(unlinked(&pages)?);
    Ok(complaints)
}

/// Files and directories of hull's that a chapter says it lives in, and that are not there.
fn gone(pages: &[pages::Page]) -> Result<Vec<String>> {
    let (mut paths, mut rest) = (Vec::new(), vec![workspace().join("final")]);
    while let Some(path) = rest.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).with_context(|| format!("reading {}", path.display()))?;
            rest.extend(entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?);
            paths.push(format!("{}/", path.display()));
        } else {
            paths.push(path.display().to_string());
        }
    }
    let mut gone = Vec::new();
    for page in pages {
        let (_, lives) = page.text.split_once("## Where this lives").unwrap_or_default();
        let quoted = lives.split('`').skip(1).step_by(2);
        for name in quoted.filter(|name| name.ends_with(".rs") || name.ends_with('/')) {
            if !paths.iter().any(|path| path.ends_with(&format!("/{name}"))) {
                gone.push(format!("{}: {name} is not in final/", page.path.display()));
            }
        }
    }
    Ok(gone)
}

fn is_numbered(line: &str) -> bool {
    line.split_once(". ").is_some_and(|(number, _)| number.parse::<u32>().is_ok())
}

/// Steps of which no chapter shows what they change in the one before.
fn without_difference(pages: &[pages::Page]) -> Vec<String> {
    let directories = pages.iter().filter_map(|page| page.path.strip_prefix("steps").ok()?.iter().next());
    let mut steps: Vec<_> = directories.collect();
    steps.dedup();
    let shows = |step: &std::ffi::OsStr| {
        let diff = Path::new("generated/diffs").join(step);
        pages.iter().flat_map(pages::Page::includes).any(|include| include.starts_with(&diff))
    };
    let missing = steps.iter().skip(1).filter(|step| !shows(step));
    missing.map(|step| format!("{} shows no difference to the step before", step.display())).collect()
}

/// Words of the glossary that no chapter links where it explains them.
fn unlinked(pages: &[pages::Page]) -> Result<Vec<String>> {
    let is_glossary = |page: &&pages::Page| page.path.ends_with("glossary.md");
    let glossary = pages.iter().find(is_glossary).context("there is a glossary")?;
    let links = |anchor: &str| {
        let link = format!("glossary.md#{anchor})");
        pages.iter().any(|page| page.text.contains(&link))
    };
    let words = headings(&glossary.text).filter(|word| word != "glossary");
    Ok(words.filter(|word| !links(word)).map(|word| format!("glossary: nothing leads to {word}")).collect())
}
