//! The container's file system, built below a root that the image controls.
//!
//! Every path in it is resolved as the container would, with `openat2(RESOLVE_IN_ROOT)`: a symlink in an image leads
//! to the image, never to the host. What is found is held by descriptor and mounted on by descriptor, so that
//! nothing can change between looking and mounting.

mod devices;
mod masks;
mod mounts;
mod options;
mod pivot;

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use rustix::fs::{Mode, OFlags};

use crate::error::{Error, Result, Step};

pub(crate) use devices::{link_and_make as make_devices, make_asked};
pub(crate) use masks::{mask, read_only};
pub use mounts::Graft;
pub(crate) use mounts::{bind_console, graft, mount};
pub(crate) use options::inapplicable as inapplicable_option;
pub use options::mount_options;
pub(crate) use pivot::{pivot, prepare};

/// The root file system by descriptor.
pub(crate) struct Rootfs {
    root: OwnedFd,
}

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
        Ok(Self { root })
    }

    /// What the container would find at `path`.
    pub(crate) fn find(&self, path: &Path, flags: OFlags) -> nix::Result<OwnedFd> {
        hull_sys::fs::open_in_root(&self.root, path, flags)
    }

    /// Finds a mount point, making it and the directories above it where they are missing.
    pub(crate) fn find_or_make(&self, path: &Path, kind: Kind) -> Result<OwnedFd> {
        match self.find(path, OFlags::PATH) {
            Ok(found) => return Ok(found),
            Err(Errno::ENOENT) => {}
            Err(errno) => return Err(errno).step(|| format!("resolve {} in the container", path.display())),
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Error::Invalid(format!("path {}", path.display())));
        };
        let parent = self.find_or_make(parent, Kind::Directory)?;
        let made = match kind {
            Kind::File => make_file(&parent, name),
            Kind::Directory => rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755)),
        };
        match made {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(errno) => return Err(errno).step(|| format!("create {} in the container", path.display())),
        }
        self.find(path, OFlags::PATH).step(|| format!("resolve {} in the container", path.display()))
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

/// For the calls that take a path only: the kernel follows it to exactly what the descriptor holds.
pub(crate) fn fd_path(fd: impl AsFd) -> String {
    hull_sys::fs::fd_path(fd)
}
