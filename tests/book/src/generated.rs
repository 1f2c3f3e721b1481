//! `book/src/generated`: what no hand has written. The chapters say by their includes what there is.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::{book, code, commands, diagrams, diffs, look, measured, pages};

/// What each file below `generated/` has to be now, by its path relative to it.
pub fn wanted() -> Result<BTreeMap<PathBuf, String>> {
    let mut wanted = BTreeMap::new();
    for page in pages::all()? {
        for include in page.includes() {
            let Ok(path) = include.strip_prefix("generated") else { continue };
            let text = generate(path)
                .with_context(|| format!("{} shows {}", page.path.display(), include.display()))?;
            wanted.insert(path.to_owned(), text);
        }
    }
    Ok(wanted)
}

fn generate(path: &Path) -> Result<String> {
    let mut components = path.components();
    let kind = components.next().map(|kind| kind.as_os_str().to_string_lossy().into_owned());
    let rest = components.as_path();
    match kind.as_deref() {
        Some("code") => code::item(rest),
        Some("diffs") => diffs::diff(rest),
        Some("diagrams") => diagrams::draw(rest),
        Some("commands") => commands::help(rest),
        Some("look") => look::table(),
        Some("measured") => measured::table(rest),
        Some("traces") => trace(rest),
        _ => bail!("nothing makes {}", path.display()),
    }
}

/// `generated/traces/01-uts.txt`: the kernel calls of a step, which the tests of the steps keep and compare.
fn trace(path: &Path) -> Result<String> {
    let file = crate::workspace().join("tests/steps/traces").join(path);
    let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    // It ends within a line.
    Ok(format!("{}\n", text.trim_end()))
}

/// Where what is on disk is not what it has to be.
pub fn stale() -> Result<Vec<String>> {
    let mut stale = Vec::new();
    let wanted = wanted()?;
    for (path, text) in &wanted {
        match fs::read_to_string(directory().join(path)) {
            Ok(present) if present == *text => {}
            Ok(_) => stale.push(format!("{} has changed", path.display())),
            Err(_) => stale.push(format!("{} is missing", path.display())),
        }
    }
    for path in present()? {
        if !wanted.contains_key(&path) {
            stale.push(format!("{} is in no chapter", path.display()));
        }
    }
    Ok(stale)
}

/// Writes what has changed and removes what no chapter shows; how many files that were.
pub fn update() -> Result<usize> {
    let wanted = wanted()?;
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
    for path in present()? {
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

fn present() -> Result<Vec<PathBuf>> {
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
    Ok(present)
}
