//! The root file system by descriptor, and lookups in it.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use hull_sys::Kind as ErrorKind;
use nix::errno::Errno;
use rustix::fs::{Mode, OFlags, ResolveFlags};

use crate::error::{Error, Result, Step};
use crate::procfs::Procfs;

/// The container's root file system, held by descriptor.
pub(crate) struct Rootfs {
    root: OwnedFd,
    /// The pid namespace whose processes its procfs shows, if that is not the current one.
    pub(super) pid_namespace: Option<OwnedFd>,
}

/// The type of a mount point: a directory, or a file if a file is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Directory,
    File,
}

impl Rootfs {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(path, flags, Mode::empty())
            .step(|| format!("open the root file system {}", path.display()))?;
        Ok(Self::from(root))
    }

    pub(crate) fn with_pid_namespace(self, pid_namespace: Option<OwnedFd>) -> Self {
        Self { pid_namespace, ..self }
    }

    /// Opens the file that the container would find at `path`.
    pub(crate) fn find(&self, path: &Path, flags: OFlags) -> nix::Result<OwnedFd> {
        hull_sys::fs::open_in_root(&self.root, path, flags)
    }

    /// Opens the file at `path` under the caller's rules for resolving it.
    pub(super) fn find_as(&self, path: &Path, flags: OFlags, resolve: ResolveFlags) -> nix::Result<OwnedFd> {
        hull_sys::fs::openat2(&self.root, path, flags, Mode::empty(), resolve)
    }

    /// Opens the directory on which a procfs or sysfs is to be mounted, and makes it if it is missing. No part of the path may
    /// be a symlink.
    pub(super) fn find_or_make_without_symlinks(&self, path: &Path, kind: &str) -> Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
        let find = || self.find_as(path, OFlags::PATH | OFlags::DIRECTORY, resolve);
        let shown = path.display();
        let found = match find() {
            Err(Errno::ENOENT) => {
                let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
                    return Err(Error::Invalid(format!("path {shown}")));
                };
                let parent = self.find_or_make_without_symlinks(above, kind)?;
                match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
                    Ok(()) | Err(rustix::io::Errno::EXIST) => find(),
                    Err(errno) => return Err(errno).step(|| format!("create {shown} in the container")),
                }
            }
            found => found,
        };
        match found {
            // ENOENT: a dangling symlink.
            Err(Errno::ELOOP | Errno::ENOTDIR | Errno::ENOENT) => Err(Error::failed(
                ErrorKind::Invalid,
                format!(
                    "{kind} must be mounted on ordinary directory: {shown} is none, or is reached through a symlink"
                ),
            )),
            found => found.step(|| format!("resolve {shown} in the container")),
        }
    }

    /// Opens a mount point, and makes it and the directories above it if they are missing.
    pub(crate) fn find_or_make(&self, path: &Path, kind: Kind) -> Result<OwnedFd> {
        /// The kernel follows as many in one path (path_resolution(7)).
        const MOST_LINKS: u32 = 40;
        self.find_or_make_through(path, kind, MOST_LINKS)
    }

    fn find_or_make_through(&self, path: &Path, kind: Kind, links: u32) -> Result<OwnedFd> {
        match self.find(path, OFlags::PATH) {
            Ok(found) => return Ok(found),
            Err(Errno::ENOENT) => {}
            Err(errno) => return Err(errno).step(|| format!("resolve {} in the container", path.display())),
        }
        let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Error::Invalid(format!("path {}", path.display())));
        };
        let parent = self.find_or_make_through(above, Kind::Directory, links)?;
        let made = match kind {
            Kind::File => make_file(&parent, name),
            Kind::Directory => rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755)),
        };
        match made {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(errno) => return Err(errno).step(|| format!("create {} in the container", path.display())),
        }
        match self.find(path, OFlags::PATH) {
            // A dangling symlink: its target is made, at the place where the container would look for it.
            Err(Errno::ENOENT) if links > 0 => {
                let step = || format!("resolve {} in the container", path.display());
                let target = rustix::fs::readlinkat(&parent, name, Vec::new()).step(step)?;
                let target = Path::new(OsStr::from_bytes(target.as_bytes()));
                self.find_or_make_through(&above.join(target), kind, links - 1)
            }
            found => found.step(|| format!("resolve {} in the container", path.display())),
        }
    }
}

impl From<OwnedFd> for Rootfs {
    fn from(root: OwnedFd) -> Self {
        Self { root, pid_namespace: None }
    }
}

impl AsFd for Rootfs {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.root.as_fd()
    }
}

fn make_file(parent: &OwnedFd, name: &OsStr) -> rustix::io::Result<()> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::from_raw_mode(0o644)).map(drop)
}

/// A path that the kernel resolves to exactly the descriptor's file, for calls that take only a path. It leads through
/// /proc, which is checked to be a procfs.
pub(super) fn verified_fd_path(fd: impl AsFd) -> Result<String> {
    Procfs::open()?;
    Ok(hull_sys::fs::fd_path(fd))
}

/// True for the root of a mount (statx(2), Linux 5.8).
pub(super) fn is_mount_root(fd: impl AsFd) -> bool {
    use rustix::fs::{AtFlags, StatxAttributes, StatxFlags};
    let stat = rustix::fs::statx(fd, "", AtFlags::EMPTY_PATH, StatxFlags::empty());
    stat.is_ok_and(|stat| stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}
