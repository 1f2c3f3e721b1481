//! The container's file system, built below a root that the image controls.
//!
//! Every path in it is resolved as the container would, with `openat2(RESOLVE_IN_ROOT)`: a symlink in an image leads
//! to the image, never to the host. What is found is held by descriptor and mounted on by descriptor, so that
//! nothing can change between looking and mounting.

mod cgroup_mounts;
mod copy_up;
mod devices;
mod file_systems;
mod foreign_proc;
mod guard;
mod masks;
mod mounts;
mod options;
mod pivot;
mod sources;

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use rustix::fs::{Mode, OFlags, ResolveFlags};

use crate::error::{Error, Result, Step};
use crate::procfs::Procfs;

pub(crate) use devices::{link_and_make as make_devices, make_asked};
pub(crate) use guard::has_bound_dev;
pub(crate) use masks::{Masks, read_only};
pub use mounts::Graft;
pub(crate) use mounts::{Later, bind_console, graft, mount};
pub use options::mount_options;
pub(crate) use options::{inapplicable as inapplicable_option, is_bind};
pub(crate) use pivot::{enter_shared, is_propagation, pivot, prepare};
pub(crate) use sources::{Source, Sources, answer, ask};

/// The root file system by descriptor.
pub(crate) struct Rootfs {
    root: OwnedFd,
    /// The pid namespace that its procfs shows, if it is not the current one.
    pid_namespace: Option<OwnedFd>,
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
        Ok(Self::from(root))
    }

    pub(crate) fn of_pid_namespace(self, pid_namespace: Option<OwnedFd>) -> Self {
        Self { pid_namespace, ..self }
    }

    /// What the container would find at `path`.
    pub(crate) fn find(&self, path: &Path, flags: OFlags) -> nix::Result<OwnedFd> {
        hull_sys::fs::open_in_root(&self.root, path, flags)
    }

    /// The same with the caller's rules for resolving the path.
    fn find_as(&self, path: &Path, flags: OFlags, resolve: ResolveFlags) -> nix::Result<OwnedFd> {
        hull_sys::fs::openat2(&self.root, path, flags, Mode::empty(), resolve)
    }

    /// The directory for a file system of the kernel, made if missing. Neither it nor a part of its path may be a
    /// symlink.
    fn find_or_make_directly(&self, path: &Path, kind: &str) -> Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
        let find = || self.find_as(path, OFlags::PATH | OFlags::DIRECTORY, resolve);
        let shown = path.display();
        let found = match find() {
            Err(Errno::ENOENT) => {
                let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
                    return Err(Error::Invalid(format!("path {shown}")));
                };
                let parent = self.find_or_make_directly(above, kind)?;
                match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
                    Ok(()) | Err(rustix::io::Errno::EXIST) => find(),
                    Err(errno) => return Err(errno).step(|| format!("create {shown} in the container")),
                }
            }
            found => found,
        };
        match found {
            // ENOENT: a symlink that leads nowhere was there.
            Err(Errno::ELOOP | Errno::ENOTDIR | Errno::ENOENT) => Err(Error::Said(format!(
                "{kind} must be mounted on ordinary directory: {shown} is none, or is reached through a symlink"
            ))),
            found => found.step(|| format!("resolve {shown} in the container")),
        }
    }

    /// Finds a mount point, making it and the directories above it where they are missing.
    pub(crate) fn find_or_make(&self, path: &Path, kind: Kind) -> Result<OwnedFd> {
        /// As many as the kernel follows in one path (path_resolution(7)).
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
            // A symlink to what is not there yet: that is made, where the container would look for it.
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

/// For the calls that take a path only: the kernel follows it to exactly what the descriptor holds.
fn verified_fd_path(fd: impl AsFd) -> Result<String> {
    Procfs::open()?;
    Ok(hull_sys::fs::fd_path(fd))
}

/// statx(2), Linux 5.8.
fn is_mount_root(fd: impl AsFd) -> bool {
    use rustix::fs::{AtFlags, StatxAttributes, StatxFlags};
    let stat = rustix::fs::statx(fd, "", AtFlags::EMPTY_PATH, StatxFlags::empty());
    stat.is_ok_and(|stat| stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}
