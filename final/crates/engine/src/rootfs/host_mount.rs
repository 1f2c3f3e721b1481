//! A container's root file system on the host: podman's `mount`. An upper directory can be in one overlay only, so there is
//! one overlay for the host, the monitor and `cp`, and who comes later clones the mount of who came first.
//!
//! ```text
//! <run root>/mounts/            a mount of its own, private, so that no monitor keeps a copy of what is mounted in it
//!                   <id>        where the container's root is mounted
//!                   <id>.json   how often that was asked for; written before the mount is made
//! ```

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use hull_storage::lock::Lock;
use hull_storage::process_id::ProcessId;
use hull_storage::root::Root;
use hull_sys::mount::is_mount_point as is_mounted;
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags};
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Errors, IoContext, Result};

#[derive(Debug, Default, Serialize, Deserialize)]
struct Count {
    count: u32,
}

fn directory(root: &Root) -> PathBuf {
    root.run().join("mounts")
}

pub(crate) fn path(root: &Root, id: &str) -> PathBuf {
    directory(root).join(id)
}

fn count_file(root: &Root, id: &str) -> PathBuf {
    directory(root).join(format!("{id}.json"))
}

/// Held by the process that changes what is mounted on the host.
pub(crate) fn lock(root: &Root) -> Result<Lock> {
    Ok(Lock::exclusive(&root.run().join("mounts.lock"))?)
}

/// The ids of the containers that are mounted on the host.
pub(crate) fn mounted(root: &Root) -> Result<Vec<String>> {
    let mut ids = crate::records::find::directories(&directory(root))?;
    ids.retain(|id| is_mounted(&path(root, id)));
    ids.sort();
    Ok(ids)
}

/// Counts one more use of the container's mount, which `make` makes if it is not there. Called under [`lock`] and the
/// container's lock.
pub(crate) fn add(root: &Root, id: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let target = path(root, id);
    let is_new = !is_mounted(&target);
    let count = if is_new { 0 } else { count(root, id) };
    prepare(root)?;
    hull_storage::file::write_json_atomic(&count_file(root, id), &Count { count: count.saturating_add(1) })?;
    if !is_new {
        return Ok(target);
    }
    hull_storage::directory::make_dirs(&target, 0o755)?;
    match make(&target) {
        Ok(()) => Ok(target),
        Err(error) => Err(error.with_undo(remove(root, id))),
    }
}

/// Counts one use less and unmounts with the last one, or with `force` at once, even where files are still open in it.
pub(crate) fn subtract(root: &Root, id: &str, force: bool) -> Result<()> {
    let left = count(root, id).saturating_sub(1);
    if left > 0 && !force && is_mounted(&path(root, id)) {
        return Ok(hull_storage::file::write_json_atomic(&count_file(root, id), &Count { count: left })?);
    }
    let flags = if force { MntFlags::MNT_DETACH } else { MntFlags::empty() };
    match nix::mount::umount2(&path(root, id), flags) {
        Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => remove(root, id),
        Err(errno) => Err(errno).context(|| format!("unmount {}", path(root, id).display())),
    }
}

fn count(root: &Root, id: &str) -> u32 {
    let count: Option<Count> = hull_storage::file::read_json(&count_file(root, id)).unwrap_or_default();
    count.unwrap_or_default().count
}

/// Makes the directory of the mounts a mount of its own.
fn prepare(root: &Root) -> Result<()> {
    let directory = directory(root);
    if is_mounted(&directory) {
        return Ok(());
    }
    hull_storage::directory::make_dirs(&directory, 0o700)?;
    let context = || format!("make {} a mount", directory.display());
    let none = None::<&str>;
    nix::mount::mount(Some(&directory), &directory, none, MsFlags::MS_BIND, none).context(context)?;
    nix::mount::mount(none, &directory, none, MsFlags::MS_PRIVATE, none).context(context)
}

/// Removes what stands for one container's mount, which is unmounted, and after the last one the directory itself.
fn remove(root: &Root, id: &str) -> Result<()> {
    let target = path(root, id);
    if let Err(error) = std::fs::remove_dir(&target)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(error).context(|| format!("remove {}", target.display()));
    }
    hull_storage::file::remove(&count_file(root, id))?;
    let directory = directory(root);
    // Other containers may be mounted.
    if std::fs::read_dir(&directory).is_ok_and(|mut entries| entries.next().is_none()) {
        let _ = nix::mount::umount2(&directory, MntFlags::MNT_DETACH);
        let _ = std::fs::remove_dir(&directory);
    }
    Ok(())
}

/// Unmounts the roots of containers that are gone. Nothing is done where nothing was ever mounted.
pub(crate) fn collect(root: &Root, is_known: impl Fn(&str) -> bool) -> Result<()> {
    let gone: Vec<String> =
        crate::records::find::directories(&directory(root))?.into_iter().filter(|id| !is_known(id)).collect();
    if gone.is_empty() {
        return Ok(());
    }
    let _lock = lock(root)?;
    let mut errors = Errors::default();
    gone.iter().for_each(|id| errors.note(subtract(root, id, true)));
    errors.into_result()
}

/// A detached copy of the container's mount on the host, if there is one.
pub(crate) fn clone(root: &Root, id: &str) -> Result<Option<OwnedFd>> {
    let target = path(root, id);
    if !is_mounted(&target) {
        return Ok(None);
    }
    let context = || format!("share the mount {}", target.display());
    let opened = rustix::fs::open(&target, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).context(context)?;
    Ok(Some(hull_sys::mount::clone_tree(opened, c"", false).context(context)?))
}

/// Detaches the mounts of the host from a monitor's own mount namespace, which began as a copy of the host's namespace: it would
/// keep them after the host has unmounted them.
pub(crate) fn forget(root: &Root) {
    // Fails where nothing is mounted, which is usual.
    let _ = nix::mount::umount2(&directory(root), MntFlags::MNT_DETACH);
}

/// A detached copy of a running container's root, from its monitor's mount namespace.
pub(crate) fn clone_from_monitor(monitor: &ProcessId, rootfs: &Path) -> Result<OwnedFd> {
    let context = || format!("share the mount {}", rootfs.display());
    let namespace = File::open(format!("/proc/{}/ns/mnt", monitor.pid)).context(context)?;
    if !monitor.is_alive() {
        return Err(Error::MonitorDied);
    }
    hull_runtime::clone_from(&namespace, rootfs, false).context(context)
}
