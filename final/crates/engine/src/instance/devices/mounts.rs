//! Attaching and removing mounts in a running container, by a process that enters its mount namespace.
//!
//! Sources are opened before, in the host's mount namespace. Afterwards the process works beneath the container's root
//! directory and with the ids of the container's root user, so that new mount points belong to that user.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hull_storage::process_id::ProcessId;
use nix::errno::Errno;
use rustix::fs::{CWD, Mode, OFlags};

use super::attached::Search;
use super::identity::{Identity, identity_of};
use super::points::Point;
use crate::child::in_child;
use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::records::mount_extras::Recursion;
use crate::records::record::{MountRecord, Record};
use crate::records::userns::IdMaps;
use crate::rootfs::{nodes, sources};

/// Whether the mount can be attached without the monitor. Some sources exist only in the monitor's mount namespace.
pub(super) fn is_live(mount: &MountRecord) -> bool {
    !mount.extras.need_source() || mount.extras.block.is_some()
}

/// Attaches the mount of a device, unless it is attached already.
pub(super) fn attach(engine: &Engine, record: &Record, device: &str, init: &ProcessId) -> Result<()> {
    let index = index(record, device)?;
    let mount = &record.mounts[index];
    if mount.extras.optional
        && !mount.source.exists()
        && mount.extras.node.as_ref().is_none_or(|node| node.numbers.is_none())
    {
        return Ok(());
    }
    run(&format!("attach device {device}"), || {
        let container = Namespaces::open(record, init)?;
        let tree = open_source(engine, record, index, &container)?;
        let identity = identity_of(&tree).context(|| format!("look at the source of device {device}"))?;
        let asked = crate::spec::one_mount(engine, record, index);
        let point = Point::of(engine, record, mount)?;
        container.enter()?;
        container.as_root(|| {
            let there = open_root()?;
            if is_there(&there, &mount.destination, &identity) {
                return Ok(());
            }
            check_place(&there, &mount.destination, &tree, device)?;
            point.note(&there)?;
            Ok(hull_runtime::attach_mount(there, &asked, &tree)?)
        })
    })
}

/// Removes the mounts of a device, wherever the container has moved them.
pub(super) fn detach(engine: &Engine, mount: &MountRecord, record: &Record, init: &ProcessId) -> Result<()> {
    let device = mount.extras.device.as_deref().unwrap_or_default();
    run(&format!("remove device {device}"), || {
        let point = Point::of(engine, record, mount)?;
        entered(engine, mount, record, init)?.detach()?;
        point.remove(&open_root()?)
    })
}

/// Lets the monitor's mount of a block device go, so that the device is free after its removal.
pub(super) fn release(
    engine: &Engine,
    mount: &MountRecord,
    record: &Record,
    monitor: &ProcessId,
) -> Result<()> {
    if mount.extras.block.is_none() {
        return Ok(());
    }
    run("release a block device", || {
        let context = || "enter the monitor's mount namespace".to_owned();
        let namespace = File::open(format!("/proc/{}/ns/mnt", monitor.pid)).context(context)?;
        // Checked after it is open: another process may have got the pid before.
        if monitor.is_alive() {
            hull_sys::process::setns(namespace.as_fd(), libc::CLONE_NEWNS).context(context)?;
            sources::release_block(engine, record, mount);
        }
        Ok(())
    })
}

/// Fails if the mounts cannot be removed because the container has mounted something over them.
pub(super) fn check_removal(
    engine: &Engine,
    mounts: &[&MountRecord],
    record: &Record,
    init: &ProcessId,
) -> Result<()> {
    mounts.iter().try_for_each(|mount| {
        let device = mount.extras.device.as_deref().unwrap_or_default();
        run(&format!("look at device {device}"), || entered(engine, mount, record, init)?.check())
    })
}

/// Enters the container, to look for the mounts of a device.
fn entered<'a>(
    engine: &Engine,
    mount: &'a MountRecord,
    record: &Record,
    init: &ProcessId,
) -> Result<Search<'a>> {
    let container = Namespaces::open(record, init)?;
    let mut search = Search::new(engine, record, mount, init)?;
    container.enter()?;
    search.begin()?;
    Ok(search)
}

/// Runs `work` in a child of this process, because entering a mount namespace cannot be undone for certain.
fn run(what: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    in_child(what, || work().map(|()| String::new()))?.map(drop).map_err(Error::from)
}

fn index(record: &Record, device: &str) -> Result<usize> {
    let is_its = |mount: &MountRecord| mount.extras.device.as_deref() == Some(device);
    record
        .mounts
        .iter()
        .position(is_its)
        .ok_or_else(|| Error::Invalid { what: format!("device {device}"), why: "it is no mount".into() })
}

/// The namespaces of a running container.
struct Namespaces {
    mounts: File,
    users: File,
    /// The ids of the container's root, found out while /proc is still the host's.
    root: Option<(u32, u32)>,
}

impl Namespaces {
    fn open(record: &Record, init: &ProcessId) -> Result<Self> {
        let open = |name: &str| {
            let path = PathBuf::from(format!("/proc/{}/ns/{name}", init.pid));
            File::open(&path).context(|| format!("open a namespace of container {}", record.name))
        };
        let root = record.mapped_ids().map(IdMaps::root);
        let opened = Self { mounts: open("mnt")?, users: open("user")?, root };
        // The process is checked after its namespaces are open: another process may have got its pid before.
        match init.is_alive() {
            true => Ok(opened),
            false => Err(crate::records::state::wrong_state(
                "change",
                record,
                crate::records::state::Status::Exited,
            )),
        }
    }

    fn enter(&self) -> Result<()> {
        hull_sys::process::setns(self.mounts.as_fd(), libc::CLONE_NEWNS)
            .context(|| "enter the container's mount namespace".into())
    }

    /// Calls `work` with the ids of the container's root: an overlay with mapped ids refuses files of any other user
    /// (EOVERFLOW).
    fn as_root<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        match self.root {
            Some((uid, gid)) => hull_sys::fs_ids::with(uid, gid, work)
                .context(|| "take the ids of the container's root".into())?,
            None => work(),
        }
    }
}

/// Opens the root of the mount namespace that was entered. setns(2) has made it the root of this process.
fn open_root() -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open("/", flags, Mode::empty()).context(|| "open the container's root".into())
}

/// Makes a detached mount of the source, with the container's ids if the device asks for them.
fn open_source(engine: &Engine, record: &Record, index: usize, container: &Namespaces) -> Result<OwnedFd> {
    let mount = &record.mounts[index];
    if let Some(node) = &mount.extras.node {
        // The node is made on a file system that only this process sees. The device's mount keeps this file system.
        hull_sys::mount::enter_slave_namespace().context(|| "create a mount namespace".into())?;
        nodes::make(engine, record, mount, node)?;
    }
    if mount.extras.block.is_some() {
        // Only this process sees where the file system is mounted first.
        hull_sys::mount::enter_slave_namespace().context(|| "create a mount namespace".into())?;
        sources::prepare_block(engine, record, index)?;
    }
    let path = sources::path(engine, record, index);
    let context = || format!("open {}", path.display());
    let text = CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL).context(context)?;
    let recursive = mount.extras.recursion != Recursion::Disabled;
    let tree = hull_sys::mount::clone_tree(CWD, &text, recursive).context(context)?;
    // What the container mounts below it must not appear on the host.
    hull_sys::mount::set_attributes(&tree, 0, 0, libc::MS_SLAVE, true).context(context)?;
    if record.maps_ids_of(mount) {
        hull_sys::mount::map_ids(&tree, &container.users, false)
            .context(|| format!("map the ids of {} (shift)", path.display()))?;
    }
    Ok(tree)
}

/// Refuses what the kernel refuses: a directory is mounted only on a directory, and a file only on a file.
fn check_place(root: &OwnedFd, destination: &Path, tree: &OwnedFd, device: &str) -> Result<()> {
    let is_directory = |file: &OwnedFd| {
        let stat = rustix::fs::fstat(file).context(|| format!("look at {}", destination.display()))?;
        Ok::<_, Error>(rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir())
    };
    // A missing mount point is made later.
    let Ok(found) = hull_sys::fs::open_in_root(root, destination, OFlags::PATH) else { return Ok(()) };
    let why = match (is_directory(&found)?, is_directory(tree)?) {
        (true, false) => "is a directory in the container, and the source is none",
        (false, true) => "is no directory in the container, and the source is one",
        _ => return Ok(()),
    };
    let why = format!("{} {why}", destination.display());
    Err(Error::Invalid { what: format!("device {device}"), why })
}

fn is_there(root: &OwnedFd, destination: &Path, identity: &Identity) -> bool {
    use rustix::fs::{AtFlags, StatxAttributes, StatxFlags};
    let Ok(found) = hull_sys::fs::open_in_root(root, destination, OFlags::PATH) else { return false };
    let stat = rustix::fs::statx(&found, "", AtFlags::EMPTY_PATH, StatxFlags::empty());
    let is_root = stat.is_ok_and(|stat| stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT));
    is_root && identity_of(&found).is_ok_and(|found| found == *identity)
}
