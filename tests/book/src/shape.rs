//! What every chapter of the seven steps, of Inside hull and of the laboratory has, and where the glossary is linked from.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::links::headings;
use crate::{pages, workspace};

/// Of a chapter: the parts that a reader needs there, in this order, and whether only the first chapter of a step has them.
const PARTS: [(&str, Where); 10] = [
    ("## What you will be able to do", Where::Every),
    ("## What is still broken", Where::Every),
    ("## See it with the shell", Where::First),
    ("## The idea in 25 lines", Where::First),
    ("## Your turn", Where::Every),
    ("## What goes wrong", Where::Every),
    ("## Exercises", Where::Every),
    ("## Where it lives", Where::Every),
    ("## What you have, and what still leaks", Where::Every),
    ("## Check yourself", Where::Every),
];

/// Of a page of Inside hull or of the laboratory: the parts, in this order, and the directories in which every page has them.
const PARTS_OF_OTHERS: [(&str, &[&str]); 5] = [
    ("## What you will be able to do", &["inside", "lab"]),
    ("## The problem", &["inside", "lab"]),
    ("## Exercises", &["inside"]),
    ("## Where it lives", &["inside"]),
    ("## Check yourself", &["inside", "lab"]),
];

/// What a chapter includes or runs, somewhere.
const CONTENT: [(&str, &[&str]); 3] = [
    ("a picture", &["{{#include ../../generated/diagrams/"]),
    ("a command that is run", &["```console"]),
    ("code from the step", &["{{#include ../../generated/code/"]),
];

#[derive(Clone, Copy, PartialEq)]
enum Where {
    Every,
    /// The chapter that opens a step.
    First,
}

/// The chapters that open a step.
const FIRST: [&str; 7] = ["uts", "pid", "limits", "overlay", "link", "layers", "capabilities"];

/// The last chapter lists what all steps leave open: it has nothing to build and no picture of its own.
const LIST: &str = "steps/07-security/leaks.md";

const ENGINES: [&str; 5] = ["runc", "crun", "podman", "docker", "containerd"];

const ANSWER: &str = "<summary>Answer</summary>";

pub fn complaints() -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    let pages = pages::all()?;
    for page in pages.iter().filter(|page| page.path.starts_with("steps")) {
        let wrong = of_chapter(&page.path, &page.text);
        complaints.extend(wrong.into_iter().map(|what| format!("{}: {what}", page.path.display())));
    }
    for page in &pages {
        let directory = page.path.iter().next().and_then(|name| name.to_str()).unwrap_or_default();
        if ["inside", "lab"].contains(&directory) {
            let wrong = of_other(directory, &page.text);
            complaints.extend(wrong.into_iter().map(|what| format!("{}: {what}", page.path.display())));
        }
    }
    complaints.extend(pages.iter().flat_map(open_predictions));
    complaints.extend(gone(&pages)?);
    complaints.extend(without_difference(&pages));
    complaints.extend(unlinked(&pages)?);
    Ok(complaints)
}

fn of_chapter(path: &Path, text: &str) -> Vec<String> {
    let is_first = path.file_stem().is_some_and(|name| FIRST.iter().any(|first| name == *first));
    let is_list = path == Path::new(LIST);
    let parts = PARTS.map(|(heading, place)| {
        (heading, (place == Where::Every || is_first) && !(is_list && heading == "## Your turn"))
    });
    let mut wrong = wrong_parts(text, &parts);
    for (what, signs) in CONTENT.iter().filter(|_| !is_list) {
        if !signs.iter().any(|sign| text.contains(sign)) {
            wrong.push(format!("it has not {what}"));
        }
    }
    if !text.contains("look.md#") {
        wrong.push("it has no link to a state of the interactive page".to_owned());
    }
    wrong.extend(wrong_questions(text));
    let lives = part(text, "## Where it lives");
    if !lives.contains("hull") || !ENGINES.iter().any(|engine| lives.contains(engine)) {
        wrong.push("\"## Where it lives\" names hull and another engine".to_owned());
    }
    wrong
}

fn of_other(directory: &str, text: &str) -> Vec<String> {
    let parts = PARTS_OF_OTHERS.map(|(heading, directories)| (heading, directories.contains(&directory)));
    let mut wrong = wrong_parts(text, &parts);
    wrong.extend(wrong_questions(text));
    wrong
}

/// The parts that are missing although they are needed, or that are not in this order.
fn wrong_parts(text: &str, parts: &[(&str, bool)]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut end_of_last = 0;
    for (heading, is_needed) in parts {
        match text.find(&format!("\n{heading}\n")) {
            Some(at) if at < end_of_last => wrong.push(format!("{heading:?} is not in its place")),
            Some(at) => end_of_last = at,
            None if *is_needed => wrong.push(format!("{heading:?} is missing")),
            None => {}
        }
    }
    wrong
}

/// Questions without an answer. There are three at the end of a page. A page without exercises has none to answer.
fn wrong_questions(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for heading in ["## Exercises", "## Check yourself"] {
        let is_there = text.contains(&format!("\n{heading}\n"));
        let part = part(text, heading);
        let questions = part.lines().filter(|line| is_numbered(line)).count();
        let answers = part.matches(ANSWER).count();
        if is_there && (answers == 0 || answers != questions) {
            wrong.push(format!("{heading:?} has {questions} questions and {answers} answers"));
        }
    }
    if part(text, "## Check yourself").matches(ANSWER).count() != 3 {
        wrong.push("\"## Check yourself\" has three questions".to_owned());
    }
    wrong
}

/// Predictions that show their answer: a transcript comes after them before any fold does.
fn open_predictions(page: &pages::Page) -> Vec<String> {
    let after = page.text.match_indices("Predict").map(|(at, _)| &page.text[at..]);
    let is_open = |rest: &&str| {
        let folded = ["<details", "</summary>"].iter().filter_map(|sign| rest.find(sign)).min();
        let shown = rest.find("```console").unwrap_or(rest.len());
        folded.is_none_or(|folded| shown < folded)
    };
    let line = |rest: &str| rest.lines().next().unwrap_or_default().to_owned();
    after.filter(is_open).map(|rest| format!("{}: not folded: {}", page.path.display(), line(rest))).collect()
}

/// What stands below a heading, up to the next one of the same level.
fn part<'a>(text: &'a str, heading: &str) -> &'a str {
    let below = text.split_once(&format!("\n{heading}\n")).map(|(_, below)| below).unwrap_or_default();
    below.split("\n## ").next().unwrap_or_default()
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
        let lives = part(&page.text, "## Where it lives");
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
