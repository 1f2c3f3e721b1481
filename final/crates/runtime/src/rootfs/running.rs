//! Attaching and removing mounts in a running container, by a process that has entered its mount namespace.
//!
//! The container may move its directories and change its symlinks at any moment. So a destination is resolved once,
//! beneath the root, and all further steps use the descriptor that was found.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use hull_sys::Kind;
use hull_sys::mountinfo::Mounted;
use nix::mount::{MntFlags, umount2};
use rustix::fs::{AtFlags, OFlags, StatxFlags};

use super::mounts::{ReadOnlyLater, mount};
use super::root::{Rootfs, is_mount_root};
use crate::error::{Error, Result, Step};
use crate::spec::Mount;

/// Attaches the detached mount `tree` as `asked` describes it. `root` is the root of the calling process's mount
/// namespace. A missing mount point is made.
pub fn attach_mount(root: OwnedFd, asked: &Mount, tree: &OwnedFd) -> Result<()> {
    mount(&Rootfs::from(root), asked, Path::new("/"), Some(tree), None, &mut ReadOnlyLater::default())
}

/// Opens the root of a mount that mountinfo lists. `root` is the root of the process whose mountinfo was read.
pub fn open_mount(root: &OwnedFd, mounted: &Mounted) -> Result<OwnedFd> {
    let found = hull_sys::fs::open_in_root(root, &mounted.at, OFlags::PATH | OFlags::NOFOLLOW);
    match found.ok().filter(|found| mount_at(found) == Some(mounted.id)) {
        Some(found) => Ok(found),
        None => Err(covered(&mounted.at)),
    }
}

/// The error for a mount that no path leads to.
pub fn covered(at: &Path) -> Error {
    let shown = at.display();
    Error::failed(
        Kind::Conflict,
        format!("the container has mounted something else on {shown}; unmount that first"),
    )
}

/// The id of the mount whose root is at the path, if there is one.
pub fn mount_of(root: &OwnedFd, path: &Path) -> Option<u64> {
    mount_at(&hull_sys::fs::open_in_root(root, path, OFlags::PATH).ok()?)
}

fn mount_at(file: &OwnedFd) -> Option<u64> {
    let stat = rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).ok()?;
    is_mount_root(file).then_some(stat.stx_mnt_id)
}

/// Removes the mount whose root is `found`.
///
/// There is no umount by descriptor. `own_descriptors` is `/proc/self/fd` of the caller's own procfs. A name in it
/// leads to exactly the file that was found, and the container's /proc is not used.
pub fn detach_mount(found: &OwnedFd, at: &Path, own_descriptors: &OwnedFd) -> Result<()> {
    let step = || format!("unmount {} in the container", at.display());
    nix::unistd::fchdir(own_descriptors).step(step)?;
    umount2(found.as_raw_fd().to_string().as_str(), MntFlags::MNT_DETACH).step(step)
}
