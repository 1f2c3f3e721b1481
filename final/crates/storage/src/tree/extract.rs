//! Where the members of an archive go: a directory, and names beneath it that nobody vouches for.
//!
//! Every directory on the way to a member is opened beneath the top with openat2(2). A symlink that an earlier member
//! made, and a file "through" it, end in an error and not outside.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use hull_sys::tree::path_of;
use nix::errno::Errno;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, StatxAttributes, StatxFlags};

use super::remove_tree;

/// path_resolution(7): the longest path that one call takes, its terminating zero included.
const PATH_MAX: usize = 4096;

/// A directory that entries are created beneath.
#[derive(Debug)]
pub struct Destination {
    top: OwnedFd,
    /// Whether a path may lead through a symlink that stays beneath the top.
    through_symlinks: bool,
    /// The directory of the last entry. Entries come in the order of the tree, so the next one is often in it too.
    last: Option<(PathBuf, Rc<OwnedFd>)>,
    /// Directories that were created because an entry lies in them.
    implied: BTreeSet<PathBuf>,
}

/// An entry's directory, open, and its name there.
#[derive(Debug)]
pub struct Target {
    pub directory: Rc<OwnedFd>,
    pub name: OsString,
}

/// What may be replaced by an entry of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replace {
    /// Anything: a directory goes with all that is in it.
    Trees,
    /// Anything but a directory and a mount point.
    Files,
}

/// Why an entry was not created.
#[derive(Debug)]
pub enum Refused {
    /// Something is mounted on its name.
    MountPoint,
    /// A directory has its name.
    Directory,
    Failed(io::Error),
}

impl Destination {
    pub fn new(top: OwnedFd, through_symlinks: bool) -> Self {
        Self { top, through_symlinks, last: None, implied: BTreeSet::new() }
    }

    pub fn top(&self) -> BorrowedFd<'_> {
        self.top.as_fd()
    }

    /// The directories that were created for entries in them, and have not been entries themselves.
    pub fn implied(&mut self) -> &mut BTreeSet<PathBuf> {
        &mut self.implied
    }

    /// Opens a directory by the rule for symlinks of this destination.
    pub fn open_directory(&self, path: &Path, flags: OFlags) -> nix::Result<OwnedFd> {
        let forbidden = match self.through_symlinks {
            true => ResolveFlags::empty(),
            false => ResolveFlags::NO_SYMLINKS,
        };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | forbidden;
        open_beneath(&self.top, path, flags | OFlags::DIRECTORY, resolve)
    }

    /// Opens any entry with `O_PATH`, through no symlink; a symlink at the end of the path is opened itself.
    pub fn open(&self, path: &Path) -> nix::Result<OwnedFd> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        open_beneath(&self.top, path, OFlags::PATH | OFlags::NOFOLLOW, resolve)
    }

    /// Finds the directory of an entry, and creates those that an archive implies without listing them.
    pub fn target(&mut self, path: &Path) -> nix::Result<Target> {
        let name = path.file_name().unwrap_or(OsStr::new(".")).to_owned();
        let parent = path.parent().unwrap_or(Path::new(""));
        if let Some((_, directory)) = self.last.as_ref().filter(|(last, _)| last == parent) {
            return Ok(Target { directory: Rc::clone(directory), name });
        }
        let directory = match self.open_directory(parent, OFlags::PATH) {
            Err(Errno::ENOENT) => self.create_implied(parent)?,
            directory => directory?,
        };
        let directory = Rc::new(directory);
        self.last = Some((parent.to_owned(), Rc::clone(&directory)));
        Ok(Target { directory, name })
    }

    fn create_implied(&mut self, path: &Path) -> nix::Result<OwnedFd> {
        let mut created = PathBuf::new();
        for name in path {
            let parent = self.open_directory(&created, OFlags::PATH)?;
            created.push(name);
            let mode = Mode::from_raw_mode(0o755);
            // mkdir(2) subtracts the umask, and the umask of this command says nothing about the archive.
            let create = || {
                rustix::fs::mkdirat(&parent, name, mode)?;
                rustix::fs::chmodat(&parent, name, mode, AtFlags::empty())
            };
            match create() {
                Ok(()) => drop(self.implied.insert(created.clone())),
                Err(rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(Errno::from_raw(error.raw_os_error())),
            }
        }
        self.open_directory(path, OFlags::PATH)
    }
}

impl Target {
    /// What has the name, if anything has.
    pub fn stat(&self) -> Option<Stat> {
        rustix::fs::statat(&*self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW).ok()
    }

    pub fn is_directory(&self) -> bool {
        self.stat().is_some_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
    }

    /// For the calls that take a path only.
    pub fn path(&self) -> PathBuf {
        path_of(self.directory.as_fd(), &self.name)
    }

    /// Creates an entry with `make`, and replaces what has its name. Says whether something was replaced. Names are
    /// rarely taken, so `make` is tried first.
    pub fn create<T>(
        &self,
        replace: Replace,
        make: impl Fn(BorrowedFd<'_>, &OsStr) -> rustix::io::Result<T>,
    ) -> Result<(T, bool), Refused> {
        match make(self.directory.as_fd(), &self.name) {
            Err(rustix::io::Errno::EXIST) => {
                self.clear(replace)?;
                Ok((make(self.directory.as_fd(), &self.name)?, true))
            }
            made => Ok((made?, false)),
        }
    }

    fn clear(&self, replace: Replace) -> Result<(), Refused> {
        // unlink(2) refuses a mount point in the caller's mount namespace only. In another one, such as a container's,
        // it would take the mount away with the name.
        if replace == Replace::Files && self.is_mount_point() {
            return Err(Refused::MountPoint);
        }
        match rustix::fs::unlinkat(&*self.directory, &self.name, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(rustix::io::Errno::BUSY) => Err(Refused::MountPoint),
            // The error of unlink(2) for a directory depends on the file system.
            Err(rustix::io::Errno::ISDIR | rustix::io::Errno::PERM) if self.is_directory() => match replace {
                Replace::Trees => {
                    remove_tree(&self.path()).map_err(|error| Refused::Failed(io::Error::other(error)))
                }
                Replace::Files => Err(Refused::Directory),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Linux 5.8; statx(2), `STATX_ATTR_MOUNT_ROOT`.
    fn is_mount_point(&self) -> bool {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let stat = rustix::fs::statx(&*self.directory, &self.name, flags, StatxFlags::TYPE);
        stat.is_ok_and(|stat| stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
    }
}

impl From<rustix::io::Errno> for Refused {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Failed(error.into())
    }
}

/// Opens a path of any length beneath `top`, in pieces that the kernel takes. An empty path is `top` itself.
pub fn open_beneath(
    top: &OwnedFd,
    path: &Path,
    flags: OFlags,
    resolve: ResolveFlags,
) -> nix::Result<OwnedFd> {
    let open = |from: &OwnedFd, piece: &Path, flags| {
        let piece = if piece.as_os_str().is_empty() { Path::new(".") } else { piece };
        hull_sys::fs::openat2(from, piece, flags, Mode::empty(), resolve)
    };
    if path.as_os_str().len() < PATH_MAX {
        return open(top, path, flags);
    }
    let mut from: Option<OwnedFd> = None;
    let mut piece = PathBuf::new();
    for name in path {
        if piece.as_os_str().len() + name.len() + 1 >= PATH_MAX {
            from = Some(open(from.as_ref().unwrap_or(top), &piece, OFlags::PATH | OFlags::DIRECTORY)?);
            piece.clear();
        }
        piece.push(name);
    }
    open(from.as_ref().unwrap_or(top), &piece, flags)
}
