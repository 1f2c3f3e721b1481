//! Code for the chapters, found by the name of the item. The sources need no marks for it, and a name that does not exist
//! is an error.
//!
//! ```text
//! generated/code/01-uts/namespaces/spawn.rs          the function `spawn` of steps/01-uts/src/namespaces.rs
//! generated/code/01-uts/namespaces/Child.release.rs  the function `release` in an `impl` of `Child`
//! generated/code/01-uts/namespaces/KINDS.body.rs     without the comment above it
//! generated/code/01-uts/main/top.rs                  the `//!` lines of the file
//! generated/code/final/crates/sys/src/…              the same for hull's code
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::workspace;

/// The text of an include below `generated/code/`.
pub fn item(path: &Path) -> Result<String> {
    let name = path.file_stem().and_then(|name| name.to_str()).context("an include has a name")?;
    let source = source(path.parent().context("an include has a directory")?);
    let text = fs::read_to_string(workspace().join(&source))
        .with_context(|| format!("reading {}, of which {} is shown", source.display(), path.display()))?;
    extract(&text, name).with_context(|| format!("{} has no item {name}", source.display()))
}

fn source(directory: &Path) -> PathBuf {
    let file = directory.with_extension("rs");
    if file.starts_with("final") {
        return file;
    }
    let mut components = file.components();
    let step = components.next().map(|step| PathBuf::from(step.as_os_str())).unwrap_or_default();
    let rest = components.as_path();
    // Everything else is in the `src` directory of the step.
    let below = if rest.starts_with("examples") || rest.starts_with("tests") { "" } else { "src" };
    Path::new("steps").join(step).join(below).join(rest)
}

fn extract(text: &str, name: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    if name == "top" {
        let top: Vec<_> = lines.iter().take_while(|line| line.starts_with("//!")).collect();
        return Some(top.iter().map(|line| format!("{line}\n")).collect());
    }
    let (name, with_comment) = match name.strip_suffix(".body") {
        Some(name) => (name, false),
        None => (name, true),
    };
    let (first, last) = match name.split_once('.') {
        Some((owner, method)) => {
            let inside = |impls: &(usize, usize)| find(&lines[impls.0..impls.1], method, "    ").is_some();
            let owner = impls(&lines, owner).into_iter().find(inside)?;
            let (first, last) = find(&lines[owner.0..owner.1], method, "    ")?;
            (owner.0 + first, owner.0 + last)
        }
        None => find(&lines, name, "")?,
    };
    let first = if with_comment { above(&lines, first) } else { first };
    let indent = lines[first].len() - lines[first].trim_start().len();
    let shown = lines[first..=last].iter().map(|line| line.get(indent..).unwrap_or_default());
    Some(shown.map(|line| format!("{line}\n")).collect())
}

/// The first and the last line of an item at this indentation. rustfmt puts the closing brace at the same indentation. A
/// line such as `) -> Result<()> {` is there too, if the arguments take several lines, and does not end the item.
fn find(lines: &[&str], name: &str, indent: &str) -> Option<(usize, usize)> {
    let first = lines.iter().position(|line| {
        let line = line.strip_prefix(indent).unwrap_or_default();
        !line.starts_with(' ') && declares(line, name)
    })?;
    let ends = |line: &&str| match line.strip_prefix(indent) {
        Some(rest) if rest.ends_with('{') => false,
        Some(rest) => rest.starts_with(['}', ')', ']']) || (!rest.starts_with(' ') && rest.ends_with(';')),
        None => false,
    };
    let single = lines[first].ends_with(';') || lines[first].ends_with("{}");
    let last = if single { first } else { first + lines[first..].iter().position(ends)? };
    Some((first, last))
}

fn declares(line: &str, name: &str) -> bool {
    const MODIFIERS: [&str; 5] = ["pub", "crate", "super", "unsafe", "async"];
    const KINDS: [&str; 7] = ["fn", "struct", "enum", "const", "static", "type", "trait"];
    let words = line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    let mut words = words.skip_while(|word| MODIFIERS.contains(word));
    let is_item = !line.starts_with("//") && words.next().is_some_and(|kind| KINDS.contains(&kind));
    // `const fn` names the kind with two words.
    is_item && words.find(|word| *word != "fn") == Some(name)
}

fn impls(lines: &[&str], owner: &str) -> Vec<(usize, usize)> {
    let heads = lines.iter().enumerate().filter(|(_, line)| {
        line.starts_with("impl")
            && line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == owner)
    });
    let end =
        |first: usize| lines[first..].iter().position(|line| line.starts_with('}')).map(|n| first + n + 1);
    heads.filter_map(|(first, _)| Some((first, end(first)?))).collect()
}

/// The first line of the comments and attributes above the item.
fn above(lines: &[&str], mut first: usize) -> usize {
    while first > 0 && matches!(lines[first - 1].trim_start().get(..2), Some("//" | "#[")) {
        first -= 1;
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "\
//! What it is.
//! More.

use std::fs;

/// Of all.
const KINDS: [&str; 1] = [
    \"a\",
];

/// It does.
#[must_use]
pub fn make(a: u8) -> u8 {
    fn inner() {}
    a
}

fn long(
    a: u8,
) -> u8 {
    a
}

pub struct Gate;

impl Gate {
    /// Opens.
    pub fn open(&self) {
        make(1);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {}
}
";

    #[test]
    fn items_are_found_by_name_with_their_comments() {
        let shown = |name| extract(SOURCE, name).unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(shown("top"), "//! What it is.\n//! More.\n");
        assert_eq!(shown("KINDS"), "/// Of all.\nconst KINDS: [&str; 1] = [\n    \"a\",\n];\n");
        assert!(shown("make").starts_with("/// It does.\n#[must_use]\npub fn make"));
        assert!(shown("make").ends_with("    a\n}\n"));
        assert!(shown("make.body").starts_with("pub fn make"));
        assert_eq!(shown("long"), "fn long(\n    a: u8,\n) -> u8 {\n    a\n}\n");
        assert_eq!(shown("Gate.open"), "/// Opens.\npub fn open(&self) {\n    make(1);\n}\n");
        assert_eq!(shown("Gate.drop"), "fn drop(&mut self) {}\n");
        assert_eq!(shown("Gate"), "pub struct Gate;\n");
        assert_eq!(extract(SOURCE, "inner"), None, "only what stands on the top level");
        assert_eq!(extract(SOURCE, "missing"), None);
    }

    #[test]
    fn a_name_says_which_file_is_meant() {
        assert_eq!(source(Path::new("01-uts/namespaces")), Path::new("steps/01-uts/src/namespaces.rs"));
        assert_eq!(source(Path::new("01-uts/examples/bare")), Path::new("steps/01-uts/examples/bare.rs"));
        assert_eq!(source(Path::new("final/crates/sys/src/fs")), Path::new("final/crates/sys/src/fs.rs"));
    }
}
