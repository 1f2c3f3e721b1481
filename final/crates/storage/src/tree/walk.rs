//! Visits every entry of a tree: for removing, copying and measuring.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};

/// What is done with each entry. `dir` is the open directory that `name` is in.
pub(super) trait Visitor {
    /// Opens a directory before its content is visited. `None` passes it over.
    fn open(&mut self, dir: BorrowedFd<'_>, name: &CStr) -> io::Result<Option<OwnedFd>> {
        Ok(Some(hull_sys::fs::open_subdirectory(dir, name, OFlags::RDONLY)?))
    }

    /// Visits anything but a directory.
    fn file(&mut self, dir: BorrowedFd<'_>, name: &CStr) -> io::Result<()>;

    /// Leaves a directory whose content has been visited.
    fn leave(&mut self, dir: BorrowedFd<'_>, name: &CStr, child: BorrowedFd<'_>) -> io::Result<()>;
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum OnError {
    Stop,
    /// Visits everything and reports the first error at the end.
    GoOn,
}

/// The first error, and the path below the top at which it occurred.
pub(super) struct Failure {
    pub path: PathBuf,
    pub error: io::Error,
}

/// A directory between the top and the current one. It holds no descriptor, because a tree may be deeper than the
/// number of files that a process can have open. `..` leads back to it.
struct Level {
    name: CString,
    identity: Identity,
    directories: Vec<CString>,
}

struct Walk<'a> {
    visitor: &'a mut dyn Visitor,
    on_error: OnError,
    levels: Vec<Level>,
    failure: Option<Failure>,
}

/// Visits everything below `top`, depth first. The caller handles `top` itself.
pub(super) fn walk(top: OwnedFd, visitor: &mut dyn Visitor, on_error: OnError) -> Result<(), Failure> {
    let mut walk = Walk { visitor, on_error, levels: Vec::new(), failure: None };
    // If an error stopped the walk, it is recorded in `failure`.
    let _ = walk.run(top);
    walk.failure.map_or(Ok(()), Err)
}

/// The walk stopped early. `Walk::failure` has the reason.
struct Stopped;

impl Walk<'_> {
    fn run(&mut self, top: OwnedFd) -> Result<(), Stopped> {
        let mut current = top;
        self.descend(c"", current.as_fd())?;
        loop {
            let level = self.levels.last_mut().expect("the top stays until the end");
            if let Some(name) = level.directories.pop() {
                match self.visitor.open(current.as_fd(), &name) {
                    Ok(None) => {}
                    Ok(Some(child)) => {
                        self.descend(&name, child.as_fd())?;
                        current = child;
                    }
                    Err(error) => self.fail(&name, error)?,
                }
            } else {
                let level = self.levels.pop().expect("just looked at");
                let Some(above) = self.levels.last() else { return Ok(()) };
                // If the parent cannot be opened the walk ends, whatever `on_error` says.
                let parent = match parent_of(current.as_fd(), above.identity) {
                    Ok(parent) => parent,
                    Err(error) => return self.fail(&level.name, error).and(Err(Stopped)),
                };
                if let Err(error) = self.visitor.leave(parent.as_fd(), &level.name, current.as_fd()) {
                    self.fail(&level.name, error)?;
                }
                current = parent;
            }
        }
    }

    /// Visits the files of a directory that was just opened, and notes its directories for later.
    fn descend(&mut self, name: &CStr, dir: BorrowedFd<'_>) -> Result<(), Stopped> {
        let identity = identity(dir).unwrap_or_default();
        self.levels.push(Level { name: name.to_owned(), identity, directories: Vec::new() });
        let entries = match entries(dir) {
            Ok(entries) => entries,
            Err(error) => return self.fail(c"", error),
        };
        for (name, kind) in entries {
            if kind == FileType::Directory {
                self.levels.last_mut().expect("just pushed").directories.push(name);
            } else if let Err(error) = self.visitor.file(dir, &name) {
                self.fail(&name, error)?;
            }
        }
        Ok(())
    }

    fn fail(&mut self, name: &CStr, error: io::Error) -> Result<(), Stopped> {
        if self.failure.is_none() {
            let mut path: PathBuf = self.levels.iter().map(|level| as_path(&level.name)).collect();
            // An empty name is the directory itself. Joining it would add a slash.
            if !name.is_empty() {
                path.push(as_path(name));
            }
            self.failure = Some(Failure { path, error });
        }
        if self.on_error == OnError::Stop { Err(Stopped) } else { Ok(()) }
    }
}

/// Device and inode, which identify a directory whatever its name is.
pub(super) type Identity = (u64, u64);

pub(super) fn identity(dir: BorrowedFd<'_>) -> io::Result<Identity> {
    let stat = rustix::fs::fstat(dir)?;
    Ok((stat.st_dev, stat.st_ino))
}

/// Opens `..` and checks that it is the expected directory: if the current one was moved meanwhile, `..` leads
/// elsewhere.
pub(super) fn parent_of(dir: BorrowedFd<'_>, expected: Identity) -> io::Result<OwnedFd> {
    let parent = rustix::fs::openat(dir, c"..", OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    if identity(parent.as_fd())? != expected {
        return Err(io::Error::other("the directory was moved away"));
    }
    Ok(parent)
}

/// Reads all names before any entry is visited: on some file systems, removing entries while reading skips others.
fn entries(dir: BorrowedFd<'_>) -> io::Result<Vec<(CString, FileType)>> {
    let mut found = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let kind = match entry.file_type() {
            // Some file systems do not tell the type.
            FileType::Unknown => {
                let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
                FileType::from_raw_mode(stat.st_mode)
            }
            kind => kind,
        };
        found.push((name.to_owned(), kind));
    }
    Ok(found)
}

pub(super) fn as_path(name: &CStr) -> &Path {
    Path::new(OsStr::from_bytes(name.to_bytes()))
}
