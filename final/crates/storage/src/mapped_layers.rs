//! Layers whose ids are mapped beneath an overlay, for a container with a user namespace of its own.
//!
//! ```text
//! on the disk          idmapped mounts              overlay
//! layers/…/diff    0   ──▶   100000  lowerdir  ──▶  100000, which is 0 in the container
//! containers/ID    0   ◀──▶  100000  upperdir  ──▶  what the container creates as 0 is 0 on the disk
//! ```
//!
//! The overlay itself cannot be idmapped (mount_setattr(2) fails with EINVAL), so its layers are: idmapped layers came with
//! Linux 5.19 (overlayfs.rst). The kernel makes files in the work directory with the credentials of the process that mounts the
//! overlay. On an idmapped mount it makes none for an id that is not mapped (EOVERFLOW), and mounts the overlay read-only.
//! So the overlay is made with the file system ids of the container's root.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use nix::mount::{MntFlags, umount2};
use rustix::fs::{Mode, OFlags};

use crate::error::{Error, IoContext, OverlayObstacle, Result};

/// The ids of a container's files on the host.
#[derive(Debug, Clone)]
pub struct LayerIds {
    /// A user namespace with the container's mappings.
    pub namespace: Arc<OwnedFd>,
    /// The user and group of the host that are root in the container.
    pub root: (u32, u32),
}

/// The idmapped mounts of an overlay's layers, in the mount namespace of this process. An overlay keeps private copies of them
/// (`clone_private_mount` in the kernel), so they are needed only until it is made. Before Linux 6.15 the kernel makes these
/// copies of attached mounts only. So the first one is attached on the work directory, where nobody looks meanwhile, and the
/// others in it: they go together.
pub(crate) struct MappedLayers<'a> {
    ids: &'a LayerIds,
    target: &'a Path,
    /// The work directory of the overlay.
    place: &'a Path,
    /// Where the next mount is attached: below the first one.
    next: Option<OwnedFd>,
}

impl<'a> MappedLayers<'a> {
    /// `target` is the overlay's mount point, for errors.
    pub(crate) fn new(ids: &'a LayerIds, work: &'a Path, target: &'a Path) -> Self {
        Self { ids, target, place: work, next: None }
    }

    /// Maps the directory in which the work directory is. This has to come first.
    pub(crate) fn map_parent_of_work(&mut self, parent: &OwnedFd, shown: &Path) -> Result<OwnedFd> {
        let context = || format!("open {}", self.place.display());
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let work = rustix::fs::open(self.place, flags, Mode::empty()).context(context)?;
        let mapped = self.attach(parent, &work, shown)?;
        let name = self.place.file_name().unwrap_or_default();
        self.next = Some(rustix::fs::openat(&mapped, name, flags, Mode::empty()).context(context)?);
        Ok(mapped)
    }

    /// Returns the directory as it is on an idmapped mount.
    pub(crate) fn map(&self, directory: &OwnedFd, shown: &Path) -> Result<OwnedFd> {
        match &self.next {
            Some(place) => self.attach(directory, place, shown),
            None => {
                Err(Error::Refused { path: shown.to_owned(), why: "there is no place to attach it".into() })
            }
        }
    }

    fn attach(&self, directory: &OwnedFd, place: &OwnedFd, shown: &Path) -> Result<OwnedFd> {
        let failed = |step: &'static str| {
            move |errno: nix::Error| Error::Overlay {
                target: self.target.to_owned(),
                step: format!("{step} {}", shown.display()),
                source: errno.into(),
                obstacle: (errno == nix::Error::EINVAL).then_some(OverlayObstacle::IdMapping),
            }
        };
        let tree =
            hull_sys::mount::clone_tree(directory, c"", false).map_err(failed("clone the mount of"))?;
        hull_sys::mount::map_ids(&tree, &*self.ids.namespace, false).map_err(failed("map the ids of"))?;
        hull_sys::mount::attach(&tree, place).map_err(failed("attach the idmapped mount of"))?;
        Ok(tree)
    }

    /// Calls `make` with the file system ids of the container's root.
    pub(crate) fn as_root_of_container<T>(&self, make: impl FnOnce() -> T) -> rustix::io::Result<T> {
        let (uid, gid) = self.ids.root;
        hull_sys::fs_ids::with(uid, gid, make)
    }
}

impl Drop for MappedLayers<'_> {
    fn drop(&mut self) {
        if self.next.is_some() {
            // The mounts end at the latest with the mount namespace of this process.
            let _ = umount2(self.place, MntFlags::MNT_DETACH);
        }
    }
}
