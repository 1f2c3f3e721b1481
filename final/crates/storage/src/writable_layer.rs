//! A layer that a container writes to, or has written: the upper and work directories of its overlay.
//!
//! ```text
//! upper   what the container has changed
//! work    the kernel's own, on the same file system; it creates work/work with the first mount
//! ```

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{Access, AtFlags};

use crate::directory::make_dirs;
use crate::error::Result;
use crate::overlay::Overlay;
use crate::tree::{disk_usage, remove_tree};

/// The layer in one directory. A container's record says which layers it has.
#[derive(Debug, Clone)]
pub struct WritableLayer {
    upper: PathBuf,
    work: PathBuf,
}

impl WritableLayer {
    /// The layer in this directory. Nothing is read or created.
    pub fn of(directory: &Path) -> Self {
        Self { upper: directory.join("upper"), work: directory.join("work") }
    }

    /// Creates both directories, empty.
    pub fn create(&self) -> Result<()> {
        make_dirs(&self.upper, 0o755)?;
        make_dirs(&self.work, 0o700)
    }

    /// What the container has changed, as overlayfs records it.
    pub fn upper(&self) -> &Path {
        &self.upper
    }

    pub fn work(&self) -> &Path {
        &self.work
    }

    /// Bytes in the files that the container has changed.
    pub fn size(&self) -> Result<u64> {
        disk_usage(&self.upper)
    }

    /// When the layer was first mounted. `None` for a container that has never been started.
    pub fn first_mounted(&self) -> Option<SystemTime> {
        std::fs::metadata(self.kernels_directory()).and_then(|work| work.modified()).ok()
    }

    /// Whether the layer in a container's open directory was ever mounted.
    pub fn was_mounted_in(container: impl AsFd) -> bool {
        rustix::fs::accessat(container, "work/work", Access::EXISTS, AtFlags::empty()).is_ok()
    }

    /// The overlay of this layer over `lowers`, the top one first.
    pub fn overlay(&self, lowers: Vec<PathBuf>, volatile: bool) -> Overlay {
        Overlay {
            lowers,
            upper: self.upper.clone(),
            work: self.work.clone(),
            volatile,
            userxattr: hull_sys::id_map::in_user_namespace(),
            ids: None,
        }
    }

    /// The same for somebody who looks at a container that does not run: with a work directory of its own, so that the
    /// container does not count as started.
    pub fn overlay_to_look(&self, lowers: Vec<PathBuf>) -> Overlay {
        Overlay { work: self.work.with_file_name("work-to-look"), ..self.overlay(lowers, false) }
    }

    /// Notes that the layer is mounted for a run, without mounting it: the overlay of somebody who looks is shared.
    pub fn note_mounted(&self) -> Result<()> {
        make_dirs(&self.kernels_directory(), 0o700)
    }

    /// Lets a layer that was mounted as volatile be mounted again. The kernel marks the work directory of such a mount
    /// and refuses to use it again, because the machine may have crashed in between (overlayfs.rst, "Volatile mount").
    /// The caller has to know that it has not.
    pub fn allow_remount(&self) -> Result<()> {
        remove_tree(&self.kernels_directory().join("incompat"))
    }

    fn kernels_directory(&self) -> PathBuf {
        self.work.join("work")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Scratch, in_mount_namespace};

    #[test]
    fn a_layer_knows_its_size_and_that_it_was_never_mounted() {
        let scratch = Scratch::new();
        let layer = WritableLayer::of(scratch.path());
        layer.create().unwrap();
        std::fs::write(layer.upper().join("file"), "12345").unwrap();
        assert_eq!((layer.size().unwrap(), layer.first_mounted()), (5, None));
    }

    #[test]
    fn a_volatile_layer_is_mounted_again_when_that_is_allowed() {
        in_mount_namespace("a_volatile_layer_is_mounted_again_when_that_is_allowed", |scratch| {
            let (lower, target) = (scratch.path().join("lower"), scratch.path().join("rootfs"));
            std::fs::create_dir(&lower).unwrap();
            let layer = WritableLayer::of(&scratch.path().join("container"));
            let overlay = layer.overlay(vec![lower], true);
            overlay.mount_at(&target).unwrap();
            assert!(layer.first_mounted().is_some());
            nix::mount::umount(&target).unwrap();
            assert!(overlay.mount_at(&target).is_err());
            layer.allow_remount().unwrap();
            overlay.mount_at(&target).unwrap();
        });
    }
}
