//! The files of one side of a copy, and how an argument is resolved there.
//!
//! A container's symlinks are followed inside its root: each resolution begins at the descriptor of the root with
//! `RESOLVE_IN_ROOT`, and its result is a descriptor. No path is resolved twice, so the container cannot change the
//! result by moving files.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};

use super::entry::shown;
use super::ids::ContainerIds;
use super::path::{Found, Split};
use crate::error::{Error, IoContext, Result};

/// The mode of directories that are made on the way to a file.
const NEW_DIRECTORY: Mode = Mode::from_raw_mode(0o755);

/// path_resolution(7): the kernel's own limit.
const MOST_SYMLINKS: usize = 40;

/// One side of a copy: a container's root, or the host as the caller sees it.
#[derive(Debug)]
pub(super) struct View {
    base: OwnedFd,
    resolve: ResolveFlags,
    /// What the user wrote before the path: `NAME:`, or nothing for the host.
    prefix: String,
    pub ids: ContainerIds,
    /// Whether these are the files that processes of a running container see.
    pub is_running: bool,
    /// The mountinfo (proc(5)) with the mounts of a container.
    mounts: Option<PathBuf>,
}

/// A file or directory that is copied.
#[derive(Debug)]
pub(super) struct Source {
    /// Opened with `O_PATH`, which has no effect on a device's driver or on the other end of a FIFO.
    pub fd: OwnedFd,
    pub split: Split,
    pub is_directory: bool,
    /// The path as the user wrote it.
    pub shown: String,
    /// Of its files.
    pub ids: ContainerIds,
}

/// Where it is copied to.
#[derive(Debug)]
pub(super) struct Destination {
    pub found: Found,
    /// The destination if it is a directory, otherwise its parent.
    pub directory: OwnedFd,
    /// The path after its symlinks were followed.
    pub split: Split,
    pub shown: String,
}

impl View {
    /// `root` is the container's root directory, `name` the name that the user typed.
    pub(super) fn container(root: OwnedFd, name: &str) -> Self {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        Self {
            base: root,
            resolve,
            prefix: format!("{name}:"),
            ids: ContainerIds::default(),
            is_running: false,
            mounts: None,
        }
    }

    pub(super) fn with_mounts(self, table: PathBuf) -> Self {
        Self { mounts: Some(table), ..self }
    }

    pub(super) fn with_ids(self, ids: ContainerIds) -> Self {
        Self { ids, ..self }
    }

    pub(super) fn of_running(self, is_running: bool) -> Self {
        Self { is_running, ..self }
    }

    /// Calls `work`, which creates files here.
    pub(super) fn as_creator<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        match self.ids.creator() {
            Some((uid, gid)) => hull_sys::fs_ids::with(uid, gid, work)
                .context(|| "take the ids of the container's root".into())?,
            None => work(),
        }
    }

    /// The first mount below a file that was found, as a path in the container.
    pub(super) fn mounted_below(&self, found: &OwnedFd) -> Result<Option<PathBuf>> {
        let Some(table) = &self.mounts else { return Ok(None) };
        let context = || format!("look for mounts in {}", self.prefix);
        // The kernel shows both paths from the root of the mount namespace that the files are in.
        let [root, found] = [&self.base, found].map(|file| std::fs::read_link(hull_sys::fs::fd_path(file)));
        let (root, found) = (root.context(context)?, found.context(context)?);
        let mounted = hull_sys::mountinfo::parse(&std::fs::read(table).context(context)?);
        let first = mounted.into_iter().find_map(|one| {
            // The mountinfo of a process shows paths from the root of that process.
            let at = match self.is_running {
                true => root.join(one.at.strip_prefix("/").ok()?),
                false => one.at,
            };
            (at != found && at.starts_with(&found)).then_some(at)
        });
        Ok(first.map(|at| Path::new("/").join(at.strip_prefix(&root).unwrap_or(&at))))
    }

    /// Paths of the host are the caller's own, and resolve as in any other program.
    pub(super) fn host() -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let base =
            rustix::fs::open(".", flags, Mode::empty()).context(|| "open the current directory".into())?;
        Ok(Self {
            base,
            resolve: ResolveFlags::empty(),
            prefix: String::new(),
            ids: ContainerIds::default(),
            is_running: false,
            mounts: None,
        })
    }

    pub(super) fn shown(&self, path: &Path) -> String {
        format!("{}{}", self.prefix, shown(path))
    }

    fn open(&self, path: &Path, flags: OFlags) -> nix::Result<OwnedFd> {
        hull_sys::fs::openat2(&self.base, path, flags | OFlags::PATH, Mode::empty(), self.resolve)
    }

    /// Opens the directory in which an entry is to be made or removed.
    pub(super) fn directory(&self, path: &Path) -> Result<OwnedFd> {
        self.open(path, OFlags::DIRECTORY).context(|| format!("open {}", self.shown(path)))
    }

    /// Makes the directories of a path that are missing, with [`NEW_DIRECTORY`] as their mode.
    pub(super) fn make_directories(&self, path: &Path, owner: (u32, u32)) -> Result<()> {
        let mut parent = PathBuf::from("/");
        for component in path.components() {
            let below = parent.join(component);
            if let Component::Normal(name) = component
                && matches!(self.open(&below, OFlags::DIRECTORY), Err(Errno::ENOENT))
            {
                let context = || format!("create {}", self.shown(&below));
                let at = self.directory(&parent)?;
                match rustix::fs::mkdirat(&at, name, NEW_DIRECTORY) {
                    Err(rustix::io::Errno::EXIST) => {}
                    made => {
                        made.context(context)?;
                        self.own_new_directory(&at, name, owner).context(context)?;
                    }
                }
            }
            parent = below;
        }
        Ok(())
    }

    fn own_new_directory(&self, at: &OwnedFd, name: &OsStr, owner: (u32, u32)) -> std::io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = rustix::fs::openat(at, name, flags, Mode::empty())?;
        let (uid, gid) = self.ids.outside(owner.0, owner.1).ok_or_else(|| not_mapped(owner))?;
        let (uid, gid) = (rustix::fs::Uid::from_raw(uid), rustix::fs::Gid::from_raw(gid));
        rustix::fs::fchown(&made, Some(uid), Some(gid))?;
        // mkdirat(2) has applied the caller's umask.
        Ok(rustix::fs::fchmod(&made, NEW_DIRECTORY)?)
    }

    pub(super) fn root(&self) -> &OwnedFd {
        &self.base
    }

    /// Holds a file, whatever its type. A symlink at the end of the path is held itself unless it is to be followed.
    pub(super) fn hold(&self, path: &Path, follow_link: bool) -> Result<OwnedFd> {
        let follow = if follow_link { OFlags::empty() } else { OFlags::NOFOLLOW };
        self.open(path, follow).context(|| format!("copy {}", self.shown(path)))
    }

    /// The path after the symlinks at its end were followed, also to something that does not exist.
    pub(super) fn resolved(&self, path: &Path) -> Result<PathBuf> {
        let context = || format!("follow {}", self.shown(path));
        let mut path = path.to_owned();
        for _ in 0..MOST_SYMLINKS {
            let split = Split::of(&path);
            let Some(name) = &split.name else { return Ok(path) };
            let Ok(parent) = self.open(&split.parent, OFlags::DIRECTORY) else { return Ok(path) };
            match rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if kind(&stat) == FileType::Symlink => {
                    path = target(&parent, &split).context(context)?;
                }
                _ => return Ok(path),
            }
        }
        Err(Errno::ELOOP).context(context)
    }

    /// Opens a regular file of the kernel's own (proc, sysfs …) for reading. Its size says nothing about its content.
    /// `None` for anything else.
    pub(super) fn generated(&self, path: &Path) -> Result<Option<File>> {
        let held = self.hold(path, true)?;
        let context = || format!("read {}", self.shown(path));
        let stat = rustix::fs::fstat(&held).context(context)?;
        if kind(&stat) != FileType::RegularFile || !is_kernels(&held) {
            return Ok(None);
        }
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = rustix::fs::open(hull_sys::fs::fd_path(&held), flags, Mode::empty());
        opened.map(|file| Some(File::from(file))).context(context)
    }

    /// docker's rule: a symlink is copied as a symlink, unless `-L` or a trailing slash is given. The kernel follows a
    /// symlink before a trailing slash by itself.
    pub(super) fn source(&self, path: &Path, follow_link: bool) -> Result<Source> {
        let shown = self.shown(path);
        let fd = self.hold(path, follow_link)?;
        let stat = rustix::fs::fstat(&fd).context(|| format!("look at {shown}"))?;
        if is_kernels(&fd) {
            let why = "it is made by the kernel (proc, sysfs …), and only reading it by name would show it";
            return Err(Error::Invalid { what: format!("source {shown}"), why: why.into() });
        }
        let is_directory = kind(&stat) == FileType::Directory;
        Ok(Source { fd, split: Split::of(path), is_directory, shown, ids: self.ids.clone() })
    }

    /// Follows the symlinks at the end of the path one at a time. If the last one points to nothing, the file it points
    /// to is created.
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
                    // NOFOLLOW: it was no symlink a moment ago, so a symlink in its place is an attack.
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
        // The flag is set for a read-only mount as well as for a read-only file system (statvfs(3)).
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

fn not_mapped((uid, gid): (u32, u32)) -> std::io::Error {
    std::io::Error::other(format!("the container's user namespace has no ids {uid}:{gid}"))
}

/// The path to which the symlink at the end of `split` points.
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

/// Whether the kernel generates the files of this file system. docker does not copy these either. A file system whose
/// type cannot be read counts as an ordinary one.
pub(super) fn is_kernels(fd: &OwnedFd) -> bool {
    hull_sys::fs::magic::is_generated(fd).unwrap_or(false)
}
