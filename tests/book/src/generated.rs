//! `book/src/generated`: the generated files. The includes of the chapters decide which files exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::{book, code, commands, diagrams, diffs, look, measured, pages, session};

/// The subjects: each is a directory below `generated/`.
pub const SUBJECTS: [&str; 8] =
    ["code", "diffs", "diagrams", "commands", "look", "measured", "session", "traces"];

/// The subject for which programs must have been built. All others are made from files of the repository.
pub const NEEDS_PROGRAMS: &str = "commands";

/// What each file of these subjects must contain now, by its path relative to `generated/`.
fn wanted(subjects: &[&str]) -> Result<BTreeMap<PathBuf, String>> {
    let mut wanted = BTreeMap::new();
    for (path, page) in included()? {
        if !subjects.contains(&subject(&path)) && SUBJECTS.contains(&subject(&path)) {
            continue;
        }
        let text = generate(&path).with_context(|| format!("{page} shows generated/{}", path.display()))?;
        wanted.insert(path, text);
    }
    Ok(wanted)
}

/// The files below `generated/` that chapters include, each with a chapter that does.
fn included() -> Result<BTreeMap<PathBuf, String>> {
    let mut included = BTreeMap::new();
    for page in pages::all()? {
        for include in page.includes() {
            if let Ok(path) = include.strip_prefix("generated") {
                included.insert(path.to_owned(), page.path.display().to_string());
            }
        }
    }
    for picture in session::PICTURES.into_iter().chain([diagrams::README]) {
        included.insert(picture.into(), "README.md".to_owned());
    }
    Ok(included)
}

/// The packages of the programs whose help the chapters show.
pub fn packages() -> Result<BTreeSet<String>> {
    let shown = included()?.into_keys().filter(|path| subject(path) == NEEDS_PROGRAMS);
    let names = shown.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()));
    Ok(names.map(|name| if name.starts_with("step-") { name } else { "hull".to_owned() }).collect())
}

fn subject(path: &Path) -> &str {
    path.iter().next().and_then(|subject| subject.to_str()).unwrap_or_default()
}

fn generate(path: &Path) -> Result<String> {
    let mut components = path.components();
    components.next();
    let rest = components.as_path();
    match subject(path) {
        "code" => code::item(rest),
        "diffs" => diffs::diff(rest),
        "diagrams" => diagrams::draw(rest),
        "commands" => commands::help(rest),
        "look" => look::table(),
        "measured" => measured::table(rest),
        "session" => session::draw(rest),
        "traces" => trace(rest),
        _ => bail!("no generator makes {}", path.display()),
    }
}

/// `generated/traces/01-uts.txt`: the kernel calls of a step, which the tests of the steps keep and compare.
fn trace(path: &Path) -> Result<String> {
    let file = crate::workspace().join("tests/steps/traces").join(path);
    let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    // The file has no newline at its end.
    Ok(format!("{}\n", text.trim_end()))
}

/// The files of these subjects that differ from what they must contain.
pub fn stale(subjects: &[&str]) -> Result<Vec<String>> {
    let mut stale = Vec::new();
    let wanted = wanted(subjects)?;
    for (path, text) in &wanted {
        match fs::read_to_string(directory().join(path)) {
            Ok(present) if present == *text => {}
            Ok(_) => stale.push(format!("{} has changed", path.display())),
            Err(_) => stale.push(format!("{} is missing", path.display())),
        }
    }
    for path in present(subjects)? {
        if !wanted.contains_key(&path) {
            stale.push(format!("{} is in no chapter", path.display()));
        }
    }
    Ok(stale)
}

/// Writes the files of these subjects that have changed, and removes those that no chapter shows. Returns their number.
pub fn update(subjects: &[&str]) -> Result<usize> {
    let wanted = wanted(subjects)?;
    let mut changed = 0;
    for (path, text) in &wanted {
        let path = directory().join(path);
        if fs::read_to_string(&path).is_ok_and(|present| present == *text) {
            continue;
        }
        fs::create_dir_all(path.parent().context("a file has a directory")?)?;
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        changed += 1;
    }
    for path in present(subjects)? {
        if !wanted.contains_key(&path) {
            fs::remove_file(directory().join(path))?;
            changed += 1;
        }
    }
    Ok(changed)
}

fn directory() -> PathBuf {
    book().join("src/generated")
}

/// The files of these subjects, and those of no subject.
fn present(subjects: &[&str]) -> Result<Vec<PathBuf>> {
    let mut present = Vec::new();
    let mut directories = vec![directory()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten() {
            let path = entry?.path();
            match path.is_dir() {
                true => directories.push(path),
                false => present.push(path.strip_prefix(self::directory())?.to_owned()),
            }
        }
    }
    let is_meant = |path: &PathBuf| {
        let subject = subject(path);
        subjects.contains(&subject) || !SUBJECTS.contains(&subject)
    };
    present.retain(is_meant);
    Ok(present)
}
