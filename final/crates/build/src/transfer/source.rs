//! What the sources of an instruction match.

use std::ffi::{CStr, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hull_image::members::shown;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags};

use super::Source;
use super::archive::is_archive;
use crate::context::Tree;
use crate::error::IoContext;
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

/// Joining an empty path would leave a slash at the end.
pub(super) fn joined(path: &Path, below: &Path) -> PathBuf {
    if below.as_os_str().is_empty() { path.to_owned() } else { path.join(below) }
}

/// Opens a directory of a tree. Its path has no symlinks, so one that is there is an attack.
pub(super) fn open_directory(tree: &Tree, path: &Path) -> io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
    Ok(hull_storage::tree::open_beneath(&tree.root, path, flags, resolve)?)
}

/// Opens a regular file of a tree. `None` if it is none.
pub(super) fn open_file(tree: &Tree, path: &Path) -> Result<Option<File>> {
    let reading = || format!("read {} in {}", shown(path), tree.name);
    let directory = open_directory(tree, path.parent().unwrap_or(Path::new(""))).context(reading)?;
    let name = path.file_name().unwrap_or_default();
    let stat = rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW).context(reading)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(None);
    }
    // NONBLOCK: if a FIFO has taken the file's name, opening it must not wait for a writer.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::openat(&directory, name, flags, Mode::empty()).context(reading)?);
    Ok(file.metadata().context(reading)?.is_file().then_some(file))
}

/// The names in a directory, sorted so that equal trees make equal layers, and their types.
pub(super) fn names(directory: &OwnedFd) -> io::Result<Vec<(OsString, FileType)>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name: &CStr = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let kind = match entry.file_type() {
            // Some file systems do not say it here.
            FileType::Unknown => {
                let stat = match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Err(rustix::io::Errno::NOENT) => continue,
                    stat => stat?,
                };
                FileType::from_raw_mode(stat.st_mode)
            }
            kind => kind,
        };
        names.push((OsStr::from_bytes(name.to_bytes()).to_owned(), kind));
    }
    names.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    Ok(names)
}
