//! The chapters, and what they include.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::book;

/// A Markdown file of the book.
#[derive(Debug)]
pub struct Page {
    /// Relative to `book/src`.
    pub path: PathBuf,
    pub text: String,
}

/// Every chapter, sorted by path. Generated files are not included.
pub fn all() -> Result<Vec<Page>> {
    let root = book().join("src");
    let mut pages = Vec::new();
    collect(&root, &root, &mut pages)?;
    pages.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(pages)
}

fn collect(root: &Path, directory: &Path, pages: &mut Vec<Page>) -> Result<()> {
    let entries = fs::read_dir(directory).with_context(|| format!("reading {}", directory.display()))?;
    for entry in entries {
        let path = entry?.path();
        let relative = path.strip_prefix(root)?.to_owned();
        if path.is_dir() && relative != Path::new("generated") {
            collect(root, &path, pages)?;
        } else if path.extension().is_some_and(|extension| extension == "md") {
            let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            pages.push(Page { path: relative, text });
        }
    }
    Ok(())
}

impl Page {
    /// The files that `{{#include …}}` names, relative to `book/src`.
    pub fn includes(&self) -> Vec<PathBuf> {
        let directory = self.path.parent().unwrap_or(Path::new(""));
        let named = self.text.split("{{#include ").skip(1).filter_map(|rest| rest.split("}}").next());
        named.map(|name| normal(&directory.join(name.trim()))).collect()
    }
}

/// The path without `..`, computed from its text only, because the book contains no symbolic links.
pub fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            std::path::Component::ParentDir => drop(normal.pop()),
            other => normal.push(other),
        }
    }
    normal
}
