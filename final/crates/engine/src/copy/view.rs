//! The files of one end, and finding what an argument names there.
//!
//! A container's symlinks lead where they would lead inside it: each resolution begins at the descriptor of its root
//! with `RESOLVE_IN_ROOT`, and what is found is a descriptor. A path is never resolved a second time, so nothing that
//! the container moves meanwhile changes what was found.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};

use super::entry::shown;
use super::path::{Found, Split};
use crate::error::{Error, IoContext, Result};

/// path_resolution(7): the kernel's own limit.
const MOST_SYMLINKS: usize = 40;

/// One end: a container's root, or the host as the caller sees it.
#[derive(Debug)]
pub(super) struct View {
    base: OwnedFd,
    resolve: ResolveFlags,
    /// `NAME:`, and nothing for the host: what the user wrote before the path.
    prefix: String,
}

/// What is to be copied.
#[derive(Debug)]
pub(super) struct Source {
    /// Opened with `O_PATH`: a FIFO or a device is held without its driver or its other end being told.
    pub fd: OwnedFd,
    pub split: Split,
    pub is_directory: bool,
    /// As the user wrote it.
    pub shown: String,
}

/// Where it is to go.
#[derive(Debug)]
pub(super) struct Destination {
    pub found: Found,
    /// The destination, when it is a directory; else the directory that it is or will be in.
    pub directory: OwnedFd,
    /// The path after its symlinks were followed.
    pub split: Split,
    pub shown: String,
}

impl View {
    /// `root` is the container's root directory, `name` what the user calls it.
    pub(super) fn container(root: OwnedFd, name: &str) -> Self {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        Self { base: root, resolve, prefix: format!("{name}:") }
    }

    /// Paths resolve as in any other program: they are the caller's own.
    pub(super) fn host() -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let base =
            rustix::fs::open(".", flags, Mode::empty()).context(|| "open the current directory".into())?;
        Ok(Self { base, resolve: ResolveFlags::empty(), prefix: String::new() })
    }

    pub(super) fn shown(&self, path: &Path) -> String {
        format!("{}{}", self.prefix, shown(path))
    }

    fn open(&self, path: &Path, flags: OFlags) -> nix::Result<OwnedFd> {
        hull_sys::fs::openat2(&self.base, path, flags | OFlags::PATH, Mode::empty(), self.resolve)
    }

    /// docker's rule: a symlink is copied as one, unless `-L` or a trailing slash says otherwise. The kernel knows the
    /// slash by itself.
    pub(super) fn source(&self, path: &Path, follow_link: bool) -> Result<Source> {
        let shown = self.shown(path);
        let follow = if follow_link { OFlags::empty() } else { OFlags::NOFOLLOW };
        let fd = self.open(path, follow).context(|| format!("copy {shown}"))?;
        let stat = rustix::fs::fstat(&fd).context(|| format!("look at {shown}"))?;
        if is_kernels(&fd) {
            let why = "it is made by the kernel (proc, sysfs …), and only reading it by name would show it";
            return Err(Error::Invalid { what: format!("source {shown}"), why: why.into() });
        }
        Ok(Source { fd, split: Split::of(path), is_directory: kind(&stat) == FileType::Directory, shown })
    }

    /// Follows the symlinks at the end of the path one at a time: when the last one points to nothing, what it points
    /// to is what will be made.
    pub(super) fn destination(&self, path: &Path) -> Result<Destination> {
        let shown = self.shown(path);
        let context = || format!("copy to {shown}");
        let mut path = path.to_owned();
        for _ in 0..MOST_SYMLINKS {
            let split = Split::of(&path);
            let Some(name) = &split.name else {
                let directory = self.open(&path, OFlags::DIRECTORY).context(context)?;
                return self.checked(Destination { found: Found::Directory, directory, split, shown });
            };
            let parent = self
                .open(&split.parent, OFlags::DIRECTORY)
                .context(|| format!("open {} to copy to {shown}", self.shown(&split.parent)))?;
            let found = match rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(rustix::io::Errno::NOENT) => None,
                stat => Some(kind(&stat.context(context)?)),
            };
            let (found, directory) = match found {
                None => (Found::Nothing, parent),
                Some(FileType::RegularFile) => (Found::File, parent),
                Some(FileType::Directory) => {
                    // NOFOLLOW: it was not a symlink a moment ago, so one that stands there is an attack.
                    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    let opened = rustix::fs::openat(&parent, name, flags, Mode::empty());
                    (Found::Directory, opened.context(context)?)
                }
                Some(FileType::Symlink) => {
                    path = target(&parent, &split).context(context)?;
                    continue;
                }
                Some(_) => {
                    let why = "it must be a directory or a regular file".into();
                    return Err(Error::Invalid { what: format!("destination {shown}"), why });
                }
            };
            return self.checked(Destination { found, directory, split, shown });
        }
        Err(Errno::ELOOP).context(context)
    }

    fn checked(&self, destination: Destination) -> Result<Destination> {
        let refuse = |why: &str| {
            let what = format!("destination {}", destination.shown);
            Err(Error::Invalid { what, why: why.into() })
        };
        if is_kernels(&destination.directory) {
            return refuse("it is in a file system of the kernel's own (proc, sysfs …)");
        }
        // The mount's own flag as well as the file system's (statvfs(3)).
        let stat = rustix::fs::fstatvfs(&destination.directory)
            .context(|| format!("look at {}", destination.shown))?;
        if stat.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY) {
            return match self.prefix.is_empty() {
                true => refuse("its file system is mounted read-only"),
                false => refuse("it is mounted read-only in the container (--read-only, or :ro)"),
            };
        }
        Ok(destination)
    }
}

/// The path that the symlink at the end of `split` stands for, to be resolved like any other.
fn target(parent: &OwnedFd, split: &Split) -> rustix::io::Result<PathBuf> {
    let name = split.name.as_deref().unwrap_or_default();
    let link = rustix::fs::readlinkat(parent, name, Vec::new())?;
    let mut path = split.parent.join(OsString::from_vec(link.into_bytes())).into_os_string();
    if split.asserts_directory {
        path.push("/");
    }
    Ok(path.into())
}

pub(super) fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// docker does not copy files that the kernel generates either. A file system whose type cannot be read does not count
/// as one of the kernel's.
pub(super) fn is_kernels(fd: &OwnedFd) -> bool {
    hull_sys::fs::magic::is_generated(fd).unwrap_or(false)
}
