//! Visits what COPY takes, in order.

use std::collections::VecDeque;
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use hull_storage::tree::open_beneath;
use nix::errno::Errno;
use rustix::fs::{AtFlags, Dir, FileType, OFlags, ResolveFlags, Stat};

use super::Tree;
use super::entry::Entry;
use crate::error::IoContext;
use crate::patterns::{Matched, Patterns};
use crate::{Error, Result};

/// So many directories are kept open. A tree may be deeper than the number of files that a process can have open.
const OPEN_LEVELS: usize = 64;

/// The entries of a file or directory, itself first: depth first, names in the order of their bytes. No symlink is
/// followed. What `.dockerignore` and `exclude` leave out is passed over, and so are the directories in which no exception
/// can match. An excluded directory comes when something in it is included.
///
/// It keeps only the names of the directories that it is in.
#[derive(Debug)]
pub struct Walk<'a> {
    tree: &'a Tree,
    exclude: &'a Patterns,
    /// Where it began, relative to the root, without symlinks.
    base: PathBuf,
    levels: Vec<Level>,
    ready: VecDeque<Entry>,
}

#[derive(Debug)]
struct Level {
    /// Relative to the base.
    path: PathBuf,
    directory: Option<Rc<OwnedFd>>,
    names: std::vec::IntoIter<CString>,
    ignored: Matched,
    excluded: Matched,
    /// The directory itself, excluded, until something in it is included.
    held: Option<Entry>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(tree: &'a Tree, base: PathBuf, exclude: &'a Patterns) -> Result<Self> {
        let mut walk = Self { tree, exclude, base, levels: Vec::new(), ready: VecDeque::new() };
        let mut ignored = Matched::default();
        let mut is_ignored = false;
        if !tree.ignore.is_empty() {
            let mut above: Vec<&Path> = walk.base.ancestors().collect();
            above.pop();
            for path in above.into_iter().rev() {
                (is_ignored, ignored) = tree.ignore.excludes_in(path, &ignored);
            }
        }
        let (parent, name) = match (walk.base.parent(), walk.base.file_name()) {
            (Some(parent), Some(name)) => (parent, name),
            _ => (Path::new(""), OsStr::new(".")),
        };
        let name = CString::new(name.as_bytes()).map_err(|_| walk.missing())?;
        let directory = Rc::new(walk.open_directory(parent)?);
        let Some(stat) = look(&directory, &name).context(|| walk.action(""))? else {
            return Err(walk.missing());
        };
        if is_ignored && !(is_directory(&stat) && tree.ignore.may_include_beneath(&walk.base)) {
            return Err(walk.left_out());
        }
        let entry = walk.entry(PathBuf::new(), &directory, name, stat);
        walk.visit(entry, is_ignored, ignored, Matched::default())?;
        Ok(walk)
    }

    /// Where the walk began, relative to the root of the tree, after symlinks.
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// The next entry. `None` at the end.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchFile`] if all of the base is left out; and those of the kernel, with the path.
    pub fn next_entry(&mut self) -> Result<Option<Entry>> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                return Ok(Some(entry));
            }
            let Some(level) = self.levels.last_mut() else { return Ok(None) };
            let Some(name) = level.names.next() else {
                let done = self.levels.pop();
                if self.levels.is_empty() && done.is_some_and(|level| level.held.is_some()) {
                    return Err(self.left_out());
                }
                continue;
            };
            self.step(name)?;
        }
    }

    /// Passes over what is in a directory that the walk has just handed out.
    pub fn skip_directory(&mut self, directory: &Entry) {
        if let Some(at) = self.levels.iter().position(|level| level.path == directory.path) {
            self.levels.truncate(at);
        }
        self.ready.retain(|entry| !entry.path.starts_with(&directory.path));
    }

    /// Decides about a name of the innermost directory.
    fn step(&mut self, name: CString) -> Result<()> {
        let directory = self.directory()?;
        let level = self.levels.last().expect("a name has a directory");
        let path = level.path.join(OsStr::from_bytes(name.to_bytes()));
        // It may be gone since the directory was read.
        let Some(stat) = look(&directory, &name).context(|| self.action(&path))? else { return Ok(()) };
        let (is_ignored, ignored) = match self.tree.ignore.is_empty() {
            true => Default::default(),
            false => self.tree.ignore.excludes_in(&self.base.join(&path), &level.ignored),
        };
        let (is_excluded, excluded) = match self.exclude.is_empty() {
            true => Default::default(),
            false => self.exclude.excludes_in(&path, &level.excluded),
        };
        if is_ignored || is_excluded {
            let may_hold = is_directory(&stat)
                && (!is_ignored || self.tree.ignore.may_include_beneath(&self.base.join(&path)))
                && (!is_excluded || self.exclude.may_include_beneath(&path));
            if !may_hold {
                return Ok(());
            }
        }
        let entry = self.entry(path, &directory, name, stat);
        self.visit(entry, is_ignored || is_excluded, ignored, excluded)
    }

    /// Hands out an entry, unless it is a directory that is left out, and goes into a directory.
    fn visit(&mut self, entry: Entry, is_left_out: bool, ignored: Matched, excluded: Matched) -> Result<()> {
        if !is_left_out {
            let held = self.levels.iter_mut().filter_map(|level| level.held.take());
            self.ready.extend(held);
        }
        if entry.kind != FileType::Directory {
            self.ready.push_back(entry);
            return Ok(());
        }
        let opened: OwnedFd = entry.open()?.into();
        let names = names(&opened).context(|| self.action(&entry.path))?.into_iter();
        let path = entry.path.clone();
        let held = match is_left_out {
            true => Some(entry),
            false => {
                self.ready.push_back(entry);
                None
            }
        };
        let directory = Some(Rc::new(opened));
        self.levels.push(Level { path, directory, names, ignored, excluded, held });
        if let Some(above) = self.levels.len().checked_sub(OPEN_LEVELS + 1) {
            self.levels[above].directory = None;
        }
        Ok(())
    }

    /// The innermost directory, opened again if it was closed.
    fn directory(&mut self) -> Result<Rc<OwnedFd>> {
        let level = self.levels.last().expect("called inside a directory");
        let directory = match &level.directory {
            Some(directory) => Rc::clone(directory),
            None => Rc::new(self.open_directory(&self.base.join(&level.path))?),
        };
        self.levels.last_mut().expect("as above").directory = Some(Rc::clone(&directory));
        Ok(directory)
    }

    /// Opens a directory of the tree whose path has no symlinks.
    fn open_directory(&self, path: &Path) -> Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        match open_beneath(&self.tree.root, path, flags, resolve) {
            Err(Errno::ENOENT | Errno::ENOTDIR) => Err(self.missing()),
            opened => opened.context(|| format!("open {} of {}", path.display(), self.tree.name)),
        }
    }

    fn entry(&self, path: PathBuf, directory: &Rc<OwnedFd>, name: CString, stat: Stat) -> Entry {
        // docker gives the files of a build context to root.
        let (uid, gid) = match self.tree.has_local_owners {
            true => (0, 0),
            false => (stat.st_uid, stat.st_gid),
        };
        let kind = FileType::from_raw_mode(stat.st_mode);
        let mode = stat.st_mode & 0o7777;
        Entry { path, kind, mode, uid, gid, stat, directory: Rc::clone(directory), name }
    }

    fn missing(&self) -> Error {
        Error::NoSuchFile { path: self.base.clone(), place: self.tree.name.clone() }
    }

    fn left_out(&self) -> Error {
        let place = format!("{}, because .dockerignore leaves it out", self.tree.name);
        Error::NoSuchFile { path: self.base.clone(), place }
    }

    fn action(&self, path: impl AsRef<Path>) -> String {
        format!("read {} of {}", self.base.join(path).display(), self.tree.name)
    }
}

fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

/// `None` if nothing has the name.
fn look(directory: &OwnedFd, name: &CStr) -> rustix::io::Result<Option<Stat>> {
    match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(rustix::io::Errno::NOENT) => Ok(None),
        stat => stat.map(Some),
    }
}

fn names(directory: &OwnedFd) -> rustix::io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory.as_fd())? {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}
