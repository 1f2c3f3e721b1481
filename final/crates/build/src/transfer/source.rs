//! What the sources of an instruction match.

use std::ffi::{CStr, OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hull_image::members::shown;
use rustix::fs::{AtFlags, Dir, FileType, OFlags, ResolveFlags};

use super::Source;
use super::view::{Found, View, resolve};
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
        Source::Pattern { tree, pattern, .. } => {
            let search = Search::new(tree, number)?;
            if parents { search.with_parents(pattern) } else { search.matches(pattern) }
        }
    }
}

struct Search<'a> {
    tree: &'a Tree,
    root: View,
    number: usize,
}

impl<'a> Search<'a> {
    fn new(tree: &'a Tree, number: usize) -> Result<Self> {
        let root = tree.root.try_clone().context(|| format!("open {}", tree.name))?;
        Ok(Self { tree, root: View::of_tree(root), number })
    }

    fn missing(&self, path: &Path) -> Error {
        Error::NoSuchFile { path: Path::new("/").join(path), place: self.tree.name.clone() }
    }

    fn reading(&self, path: &Path) -> String {
        format!("read {} in {}", shown(path), self.tree.name)
    }

    /// Follows the symlinks of a path. It is an error if there is nothing, or only what `.dockerignore` leaves out.
    fn find(&self, path: &Path) -> Result<(PathBuf, Found)> {
        let resolved = resolve(&self.root, path, true).context(|| self.reading(path))?;
        let found = resolved.found.ok_or_else(|| self.missing(path))?;
        let is_directory = matches!(found, Found::Directory(_));
        match is_visible(&self.tree.ignore, &resolved.path, is_directory) {
            true => Ok((resolved.path, found)),
            false => Err(self.missing(path)),
        }
    }

    fn matches(&self, pattern: &str) -> Result<Vec<Taken>> {
        let glob = Glob::new(pattern)?;
        let (base, found) = self.find(glob.base())?;
        let mut paths = Vec::new();
        if !glob.has_wildcards() {
            let name = glob.base().file_name().unwrap_or_default().to_owned();
            return Ok(vec![self.taken(name, base, &found)]);
        }
        self.search(&glob, &base, Path::new(""), &mut paths)?;
        let taken = paths.into_iter().map(|path| {
            let (target, found) = self.find(&path)?;
            Ok(self.taken(path.file_name().unwrap_or_default().to_owned(), target, &found))
        });
        taken.collect()
    }

    fn taken(&self, name: OsString, path: PathBuf, found: &Found) -> Taken {
        let what = match found {
            Found::Directory(_) => What::Directory { path, include: None },
            _ => What::File { path },
        };
        Taken { source: self.number, name, what }
    }

    /// Collects the paths that match beneath a directory. One that matches is not searched.
    fn search(&self, glob: &Glob, base: &Path, below: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
        let path = joined(base, below);
        let directory = match open_directory(self.tree, &path) {
            // The base is a file.
            Err(error) if error.raw_os_error() == Some(nix::libc::ENOTDIR) => return Ok(()),
            opened => opened.context(|| self.reading(&path))?,
        };
        for (name, kind) in names(&directory).context(|| self.reading(&path))? {
            let (path, below) = (path.join(&name), joined(below, Path::new(&name)));
            let is_directory = kind == FileType::Directory;
            if !is_visible(&self.tree.ignore, &path, is_directory) {
                continue;
            }
            if glob.matches(&below) {
                paths.push(path);
            } else if is_directory && glob.may_match_beneath(&below) {
                self.search(glob, base, &below, paths)?;
            }
        }
        Ok(())
    }

    /// `--parents`: the tree's root is copied, or the directory before `/./`, and of it only what matches.
    fn with_parents(&self, pattern: &str) -> Result<Vec<Taken>> {
        let (top, pattern) = pattern.split_once("/./").unwrap_or(("", pattern));
        let glob = Glob::deep(pattern)?;
        let mut taken = self.matches(top)?;
        let is_plain = !glob.has_wildcards() && !Glob::new(top)?.has_wildcards();
        if is_plain {
            // Only a pattern may match nothing.
            self.find(&joined(Path::new(top.trim_start_matches('/')), glob.base()))?;
        }
        for Taken { what, name, .. } in &mut taken {
            match what {
                What::Directory { include, .. } => *include = Some(Include(glob.clone())),
                _ => {
                    let what = format!("source {}", shown(Path::new(name)));
                    return Err(Error::Invalid {
                        what,
                        why: "the part before /./ is not a directory".into(),
                    });
                }
            }
        }
        Ok(taken)
    }
}

/// Whether something of a path is left by `.dockerignore`.
fn is_visible(ignore: &Patterns, path: &Path, is_directory: bool) -> bool {
    !ignore.excludes(path) || path.as_os_str().is_empty() || is_directory && ignore.may_include_beneath(path)
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
