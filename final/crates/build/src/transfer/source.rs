//! What the sources of an instruction match.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use hull_image::members::shown;
use rustix::fs::FileType;

use super::Source;
use super::open::{is_archive, joined};
use crate::context::Tree;
use crate::patterns::{Glob, Patterns};
use crate::{Error, Result};

/// A file or directory that is copied.
#[derive(Debug)]
pub(super) struct Taken {
    /// The number of its source among those of the instruction.
    pub source: usize,
    /// The name that a file gets in a directory.
    pub name: OsString,
    pub what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// Its path in the tree, without symlinks.
    Directory {
        path: PathBuf,
        include: Option<Include>,
    },
    File {
        path: PathBuf,
    },
    /// A file that ADD unpacks.
    Archive {
        path: PathBuf,
    },
    Content,
}

/// `--parents`: which paths of a directory are copied, relative to it.
#[derive(Debug, Clone)]
pub(super) struct Include(Glob);

impl Include {
    pub(super) fn matches(&self, path: &Path) -> bool {
        match self.0.has_wildcards() {
            false => path == self.0.base(),
            true => path.strip_prefix(self.0.base()).is_ok_and(|path| self.0.matches(path)),
        }
    }

    pub(super) fn may_match_beneath(&self, directory: &Path) -> bool {
        self.0.base().starts_with(directory)
            || directory.strip_prefix(self.0.base()).is_ok_and(|below| self.0.may_match_beneath(below))
    }
}

/// The files and directories that a source stands for, in the order of their names.
pub(super) fn take(source: &Source<'_>, number: usize, parents: bool) -> Result<Vec<Taken>> {
    match source {
        Source::Content { name, .. } => {
            let name = Path::new(name).file_name().unwrap_or(OsStr::new(name)).to_owned();
            Ok(vec![Taken { source: number, name, what: What::Content }])
        }
        Source::Pattern { tree, pattern, unpack } => {
            let find = if parents { with_parents } else { matches };
            let mut taken = find(tree, number, pattern)?;
            for Taken { what, .. } in taken.iter_mut().filter(|_| *unpack) {
                match what {
                    What::File { path } if is_archive(tree, path)? => {
                        *what = What::Archive { path: std::mem::take(path) };
                    }
                    _ => {}
                }
            }
            Ok(taken)
        }
    }
}

/// What a pattern matches. Symlinks are followed, also the last one, and the copy keeps the name that was matched.
fn matches(tree: &Tree, number: usize, pattern: &str) -> Result<Vec<Taken>> {
    let mut taken = Vec::new();
    for matched in tree.matches(&Glob::new(pattern)?)? {
        let none = Patterns::default();
        let mut walk = tree.walk(&matched, &none)?;
        let path = walk.base().to_owned();
        let is_directory = walk.next_entry()?.is_some_and(|entry| entry.kind == FileType::Directory);
        let what = match is_directory {
            true => What::Directory { path, include: None },
            false => What::File { path },
        };
        taken.push(Taken { source: number, name: matched.file_name().unwrap_or_default().to_owned(), what });
    }
    Ok(taken)
}

/// `--parents`: the tree's root is copied, or the directory before `/./`, and of it only what matches.
fn with_parents(tree: &Tree, number: usize, pattern: &str) -> Result<Vec<Taken>> {
    let (top, pattern) = pattern.split_once("/./").unwrap_or(("", pattern));
    let glob = Glob::deep(pattern)?;
    let mut taken = matches(tree, number, top)?;
    if !glob.has_wildcards() && !Glob::new(top)?.has_wildcards() {
        // Only a pattern may match nothing.
        tree.walk(&joined(Path::new(top.trim_start_matches('/')), glob.base()), &Patterns::default())?;
    }
    for Taken { what, name, .. } in &mut taken {
        let What::Directory { include, .. } = what else {
            let what = format!("source {}", shown(Path::new(name)));
            return Err(Error::Invalid { what, why: "the part before /./ is not a directory".into() });
        };
        *include = Some(Include(glob.clone()));
    }
    Ok(taken)
}
