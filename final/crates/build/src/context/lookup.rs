//! Finds what a source of COPY names in a tree.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use hull_storage::tree::open_beneath;
use nix::errno::Errno;
use rustix::fs::{FileType, OFlags, ResolveFlags};

use super::Tree;
use super::walk::Walk;
use crate::error::IoContext;
use crate::patterns::{Glob, Patterns};
use crate::{Error, Result};

/// path_resolution(7): the kernel's own limit.
const MOST_SYMLINKS: usize = 40;

impl Tree {
    /// The path without symlinks, as a process with this root would resolve it: neither symlinks nor `..` lead out. What
    /// does not exist is kept as it is. docker follows the symlinks of a source, also the last one.
    pub fn resolve(&self, path: &Path) -> Result<PathBuf> {
        let mut found = PathBuf::new();
        let mut rest: VecDeque<OsString> = parts(path).collect();
        let mut symlinks = 0;
        while let Some(name) = rest.pop_front() {
            if name == ".." {
                found.pop();
                continue;
            }
            found.push(&name);
            let Some(target) = self.symlink(&found)? else { continue };
            symlinks += 1;
            if symlinks > MOST_SYMLINKS {
                return Err(Errno::ELOOP).context(|| format!("look up {} in {}", path.display(), self.name));
            }
            found.pop();
            if target.is_absolute() {
                found.clear();
            }
            for (at, part) in parts(&target).enumerate() {
                rest.insert(at, part);
            }
        }
        Ok(found)
    }

    /// Where a symlink leads. `None` if it is none, or does not exist.
    fn symlink(&self, path: &Path) -> Result<Option<PathBuf>> {
        let action = || format!("look up {} in {}", path.display(), self.name);
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let opened = match open_beneath(&self.root, path, OFlags::PATH | OFlags::NOFOLLOW, resolve) {
            Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(None),
            opened => opened.context(action)?,
        };
        if FileType::from_raw_mode(rustix::fs::fstat(&opened).context(action)?.st_mode) != FileType::Symlink {
            return Ok(None);
        }
        let target = rustix::fs::readlinkat(&opened, c"", Vec::new()).context(action)?;
        Ok(Some(OsString::from_vec(target.into_bytes()).into()))
    }

    /// Walks what is at `path`, after symlinks. `exclude` is relative to it.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchFile`] if nothing is there, or `.dockerignore` leaves it out.
    pub fn walk<'a>(&'a self, path: &Path, exclude: &'a Patterns) -> Result<Walk<'a>> {
        let base = self.resolve(path)?;
        Walk::new(self, base, exclude).map_err(|error| match error {
            Error::NoSuchFile { place, .. } => Error::NoSuchFile { path: path.to_owned(), place },
            error => error,
        })
    }

    /// The paths that a source stands for, relative to the root, sorted. A directory that matches stands for everything in
    /// it. Symlinks in the part before the first wildcard are followed, and others are named as they are.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchFile`] if a source without wildcards does not exist, or the directory before the first wildcard.
    /// Wildcards may match nothing.
    pub fn matches(&self, source: &Glob) -> Result<Vec<PathBuf>> {
        if !source.has_wildcards() {
            self.walk(source.base(), &Patterns::default())?;
            return Ok(vec![source.base().to_owned()]);
        }
        let none = Patterns::default();
        let mut walk = self.walk(source.base(), &none)?;
        let mut found = Vec::new();
        loop {
            let entry = match walk.next_entry() {
                Err(Error::NoSuchFile { .. }) => break,
                entry => entry?,
            };
            let Some(entry) = entry else { break };
            if entry.path.as_os_str().is_empty() {
                continue;
            }
            let matches = source.matches(&entry.path);
            if entry.kind == FileType::Directory && (matches || !source.may_match_beneath(&entry.path)) {
                walk.skip_directory(&entry);
            }
            if matches {
                found.push(source.base().join(&entry.path));
            }
        }
        Ok(found)
    }
}

fn parts(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}
