//! Mounts of a container that runs already: attached and removed by a process that has entered its mount namespace.
//!
//! Everything there is the container's: its directories may move and its symlinks change at any moment. So a destination is
//! resolved once, beneath the root, and the descriptor that was found is mounted on or unmounted.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use hull_sys::Kind;
use nix::mount::{MntFlags, umount2};
use rustix::fs::OFlags;

use super::mounts::{ReadOnlyLater, mount};
use super::root::{Rootfs, is_mount_root};
use crate::error::{Error, Result, Step};
use crate::spec::Mount;

/// Attaches the detached mount `tree` as `mount` describes it. `root` is the root of the calling process's mount namespace.
/// Missing directories are made.
pub fn attach_mount(root: OwnedFd, asked: &Mount, tree: &OwnedFd) -> Result<()> {
    mount(&Rootfs::from(root), asked, Path::new("/"), Some(tree), None, &mut ReadOnlyLater::default())
}

/// Opens what is mounted at the destination, if `is_expected` says so of the mount's root. `None` if nothing is mounted
/// there.
pub fn find_mount(
    root: OwnedFd,
    destination: &Path,
    is_expected: impl FnOnce(&OwnedFd) -> bool,
) -> Result<Option<OwnedFd>> {
    let shown = destination.display();
    let found = match Rootfs::from(root).find(destination, OFlags::PATH) {
        Ok(found) => found,
        Err(nix::errno::Errno::ENOENT | nix::errno::Errno::ENOTDIR) => return Ok(None),
        Err(errno) => return Err(errno).step(|| format!("resolve {shown} in the container")),
    };
    if !is_mount_root(&found) {
        return Ok(None);
    }
    if !is_expected(&found) {
        let text = format!("the container has mounted something else on {shown}; unmount that first");
        return Err(Error::failed(Kind::Conflict, text));
    }
    Ok(Some(found))
}

/// Removes the mount that [`find_mount`] has found.
///
/// There is no umount by descriptor. `own_descriptors` is `/proc/self/fd` of the caller's own procfs: a name in it leads to
/// exactly the file that was found, whatever the container's /proc is.
pub fn detach_mount(found: &OwnedFd, destination: &Path, own_descriptors: &OwnedFd) -> Result<()> {
    let step = || format!("unmount {} in the container", destination.display());
    nix::unistd::fchdir(own_descriptors).step(step)?;
    umount2(found.as_raw_fd().to_string().as_str(), MntFlags::MNT_DETACH).step(step)
}
