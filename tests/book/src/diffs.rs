//! What a step changes in the step before it, as a patch.
//!
//! ```text
//! generated/diffs/02-pid-mount/main.diff     of src/main.rs
//! generated/diffs/02-pid-mount/files.txt     which files are new, changed or removed
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace;

/// The text of an include below `generated/diffs/`.
pub fn diff(path: &Path) -> Result<String> {
    let step = path.iter().next().and_then(|step| step.to_str()).context("a diff is of a step")?;
    let (before, after) = (sources(&previous(step)?), sources(step));
    let file = path.strip_prefix(step)?;
    match file.file_name().and_then(|name| name.to_str()) {
        Some("files.txt") => files(&before, &after),
        _ => unified(&before, &after, &file.with_extension("rs")),
    }
}

fn sources(step: &str) -> PathBuf {
    workspace().join("steps").join(step).join("src")
}

/// The step before this one. The names of the directories give the order.
fn previous(step: &str) -> Result<String> {
    let entries = fs::read_dir(workspace().join("steps")).context("reading steps/")?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let names: BTreeSet<String> = names.collect::<Result<_>>()?;
    names
        .range(..step.to_owned())
        .next_back()
        .cloned()
        .with_context(|| format!("nothing comes before {step}"))
}

fn unified(before: &Path, after: &Path, file: &Path) -> Result<String> {
    let label = |directory: &Path| {
        let step = directory.parent().and_then(Path::file_name).unwrap_or_default();
        format!("{}/src/{}", step.to_string_lossy(), file.display())
    };
    let output = Command::new("diff")
        .args(["-u", "--label", &label(before), "--label", &label(after)])
        .args([before.join(file), after.join(file)])
        .output()
        .context("running diff")?;
    match output.status.code() {
        Some(0 | 1) => Ok(String::from_utf8(output.stdout)?),
        _ => bail!("{}", String::from_utf8_lossy(&output.stderr)),
    }
}

fn files(before: &Path, after: &Path) -> Result<String> {
    let mut text = String::new();
    let names = |directory: &Path| -> Result<BTreeSet<PathBuf>> {
        let entries = fs::read_dir(directory).with_context(|| format!("reading {}", directory.display()))?;
        entries.map(|entry| Ok(PathBuf::from(entry?.file_name()))).collect()
    };
    for name in names(before)?.union(&names(after)?) {
        let count =
            |directory: &Path| fs::read_to_string(directory.join(name)).ok().map(|text| text.lines().count());
        let line = match (count(before), count(after)) {
            (None, Some(lines)) => format!("new      {lines:4} lines  {}\n", name.display()),
            (Some(_), None) => format!("gone                 {}\n", name.display()),
            _ => match unified(before, after, name)? {
                diff if diff.is_empty() => continue,
                diff => {
                    // After the two lines that name the files.
                    let changed = |sign| diff.lines().skip(2).filter(|line| line.starts_with(sign)).count();
                    format!(
                        "changed  {:+4} {:+4}   {}\n",
                        changed('+'),
                        -(changed('-') as i64),
                        name.display()
                    )
                }
            },
        };
        text.push_str(&line);
    }
    Ok(text)
}
