//! The root directory of a container, as the container sees it.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use hull_storage::lock::Lock;
use nix::errno::Errno;
use rustix::fs::{CWD, Mode, OFlags};

use super::ids::ContainerIds;
use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::gc::killed_monitor::{self, Killer};
use crate::records::record::{MountKind, Record};
use crate::records::snapshot::Snapshot;
use crate::records::state::Status;
use crate::records::state::wrong_state;
use crate::rootfs::{etc_files, mount, sources};

/// Held while files are copied, so that the root stays usable.
#[derive(Debug)]
pub(super) struct ContainerRoot {
    guard: Guard,
    name: String,
}

#[derive(Debug)]
enum Guard {
    /// The container's first process. Its mounts exist for as long as it lives.
    Init { pidfd: OwnedFd, pid: i32 },
    /// The container's lock: while it is held, no command starts or removes the container.
    Stopped { _lock: Lock },
}

impl ContainerRoot {
    /// Opens the root directory of a running or stopped container.
    pub(super) fn open(engine: &Engine, record: &Record) -> Result<(OwnedFd, Self)> {
        let mut snapshot = engine.snapshot_after_start(&record.id)?;
        if !snapshot.status.is_active() {
            let lock = engine.lock(&record.id).map_err(|error| error.for_container(&record.name))?;
            // The previous holder of the lock may have started or removed it.
            snapshot = Snapshot::take(engine.root(), &record.id)?;
            if snapshot.status == Status::Dead {
                killed_monitor::clear(engine, &record.id, &snapshot, Killer::Unknown)?;
            }
            if !snapshot.status.is_active() {
                let record = Record::load(engine.root(), &record.id)?;
                let root = mount_stopped(engine, &record)?;
                return Ok((root, Self { guard: Guard::Stopped { _lock: lock }, name: record.name }));
            }
        }
        let (root, guard) = running(record, &snapshot)?;
        Ok((root, Self { guard, name: record.name.clone() }))
    }

    /// The ids of its files, as this process sees them.
    pub(super) fn ids(&self, record: &Record) -> ContainerIds {
        match &self.guard {
            Guard::Init { .. } => ContainerIds::new(record.id_maps.clone()),
            Guard::Stopped { .. } => ContainerIds::new(record.copied_ids().cloned()),
        }
    }

    /// A descriptor that is readable when the running container has ended. `None` for a stopped container.
    pub(super) fn ended(&self) -> Option<BorrowedFd<'_>> {
        match &self.guard {
            Guard::Init { pidfd, .. } => Some(pidfd.as_fd()),
            Guard::Stopped { .. } => None,
        }
    }

    /// The path of the mountinfo (proc(5)) that has the container's mounts.
    pub(super) fn mounts(&self) -> PathBuf {
        match &self.guard {
            Guard::Init { pid, .. } => format!("/proc/{pid}/mountinfo").into(),
            Guard::Stopped { .. } => "/proc/self/mountinfo".into(),
        }
    }

    /// The mount namespace of a running container. `None` for a stopped container, which is mounted in that of this
    /// process.
    pub(super) fn mount_namespace(&self) -> Result<Option<OwnedFd>> {
        let Guard::Init { pidfd, pid } = &self.guard else { return Ok(None) };
        let context = || format!("enter the mount namespace of container {}", self.name);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let namespace =
            rustix::fs::open(format!("/proc/{pid}/ns/mnt"), flags, Mode::empty()).context(context)?;
        match has_ended(pidfd)? {
            true => {
                Err(Error::WrongState { verb: "mount files of", name: self.name.clone(), state: "exited" })
            }
            false => Ok(Some(namespace)),
        }
    }

    /// Checks, after the copy, that the container ran the whole time. When its last process ends, its mounts are gone,
    /// and a copy to a volume then goes to the directory underneath.
    pub(super) fn finish(self) -> Result<()> {
        match &self.guard {
            Guard::Init { pidfd, .. } if has_ended(pidfd)? => Err(Error::Io {
                action: format!("finish copying, the copy may be incomplete: container {}", self.name),
                source: std::io::Error::other("it stopped meanwhile"),
            }),
            _ => Ok(()),
        }
    }
}

/// `/proc/PID/root` leads into the process's own mounts (proc(5)).
fn running(record: &Record, snapshot: &Snapshot) -> Result<(OwnedFd, Guard)> {
    const VERB: &str = "copy files of";
    let Some(init) = snapshot.state.as_ref().and_then(|state| state.init.as_ref()) else {
        return Err(wrong_state(VERB, record, Status::Restarting));
    };
    let ended = || wrong_state(VERB, record, Status::Exited);
    let pidfd = crate::records::process::open(init)?.ok_or_else(ended)?;
    let path = format!("/proc/{}/root", init.pid);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(&path, flags, Mode::empty());
    // The pid is used as a number, so the process is checked afterwards: if it is still alive, the number was its own.
    // An exiting process has lost its root already.
    if has_ended(&pidfd)? || matches!(root, Err(rustix::io::Errno::NOENT)) {
        return Err(ended());
    }
    let root = root.context(|| format!("open the root of container {}", record.name))?;
    Ok((root, Guard::Init { pidfd, pid: init.pid }))
}

/// A pidfd is readable once its process has ended; pidfd_open(2).
fn has_ended(pidfd: &OwnedFd) -> Result<bool> {
    let ended = hull_sys::wait::until_readable(pidfd, Some(std::time::Duration::ZERO));
    ended.context(|| "look at the container's process".into())
}

/// Mounts a stopped container as a start would. The mounts belong to this process and end with it.
fn mount_stopped(engine: &Engine, record: &Record) -> Result<OwnedFd> {
    // Nobody else sees the mounts, and the kernel removes them when this process ends or is killed.
    hull_sys::mount::enter_slave_namespace().context(|| "create a mount namespace".into())?;
    // With the ids that the files have on the disk. For root's containers these are the ids inside.
    let record = &Record { id_maps: record.copied_ids().cloned(), ..record.clone() };
    mount::mount_to_look(engine, record)?;
    etc_files::write(engine, record)?;
    let path = mount::rootfs(engine, record);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(&path, flags, Mode::empty())
        .context(|| format!("open the root of container {}", record.name))?;
    for (source, target, read_only) in binds(engine, record)? {
        bind(&root, &source, &target, read_only)
            .context(|| format!("mount {} at {}:{}", source.display(), record.name, target.display()))?;
    }
    if record.options.read_only {
        // Last, because the mount points have to be created before.
        hull_sys::mount::set_attributes(&root, nix::libc::MOUNT_ATTR_RDONLY, 0, 0, false)
            .context(|| format!("make the root of container {} read-only", record.name))?;
    }
    Ok(root)
}

/// The bind mounts that a start would make: path on the host, path in the container, read-only. Parents come first.
fn binds(engine: &Engine, record: &Record) -> Result<Vec<(PathBuf, PathBuf, bool)>> {
    let mut binds = Vec::new();
    if record.host_image {
        let host = hull_image::host_image::host_binds().into_iter();
        binds.extend(host.map(|(source, target)| (source, target, true)));
    }
    let directory = etc_files::directory(engine, record);
    for name in etc_files::NAMES {
        binds.push((directory.join(name), Path::new("/etc").join(name), false));
    }
    let mut asked: Vec<_> = record.mounts.iter().enumerate().collect();
    asked.sort_by_key(|(_, mount)| mount.destination.components().count());
    for (index, mount) in asked {
        binds.retain(|(_, target, _)| *target != mount.destination);
        // The content of a tmpfs is lost when the container stops, so there is nothing to copy.
        if mount.kind != MountKind::Tmpfs {
            let source = sources::path(engine, record, index);
            binds.push((source, mount.destination.clone(), mount.read_only));
        }
    }
    Ok(binds)
}

fn bind(root: &OwnedFd, source: &Path, target: &Path, read_only: bool) -> std::io::Result<()> {
    let opened = rustix::fs::openat(CWD, source, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let is_directory = super::view::kind(&rustix::fs::fstat(&opened)?) == rustix::fs::FileType::Directory;
    let target = find_or_make(root, target, is_directory)?;
    let tree = hull_sys::mount::clone_tree(opened.as_fd(), c"", true)?;
    if read_only {
        hull_sys::mount::set_attributes(&tree, nix::libc::MOUNT_ATTR_RDONLY, 0, 0, false)?;
    }
    Ok(hull_sys::mount::attach(&tree, &target)?)
}

/// Opens the mount point. It is created if it is missing, as in a container that was never started.
fn find_or_make(root: &OwnedFd, path: &Path, is_directory: bool) -> std::io::Result<OwnedFd> {
    let find = |path: &Path, flags| hull_sys::fs::open_in_root(root, path, OFlags::PATH | flags);
    match find(path, OFlags::empty()) {
        Err(Errno::ENOENT) => {}
        found => return Ok(found?),
    }
    let mut made = PathBuf::from("/");
    let names: Vec<&OsStr> = path.components().filter_map(normal).collect();
    for (index, name) in names.iter().enumerate() {
        let parent = find(&made, OFlags::DIRECTORY)?;
        made.push(name);
        let last = index + 1 == names.len();
        let result = if last && !is_directory {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            rustix::fs::openat(&parent, *name, flags, Mode::from_raw_mode(0o644)).map(drop)
        } else {
            rustix::fs::mkdirat(&parent, *name, Mode::from_raw_mode(0o755))
        };
        match result {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(find(path, OFlags::empty())?)
}

fn normal(component: Component<'_>) -> Option<&OsStr> {
    match component {
        Component::Normal(name) => Some(name),
        _ => None,
    }
}
