//! Whole directory trees: removing, copying, measuring.
//!
//! What is in them came out of images and containers, so nothing in a tree is believed: every step is relative to an
//! open directory, no symlink is followed, no mount is entered, and depth costs neither stack nor descriptors.

mod copy;
mod remove;
mod usage;
mod walk;

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use crate::error::{Context, Result};

pub(crate) use copy::{copy_directory, copy_metadata};

pub use copy::copy_tree;
pub use remove::remove_tree;
pub use usage::disk_usage;

/// Opens a file or directory for reading at `path` as seen from inside `root`: symlinks and `..` cannot leave it.
/// A FIFO there does not block.
pub fn open_in_root(root: &Path, path: &Path) -> Result<OwnedFd> {
    let context = || format!("open {} in {}", path.display(), root.display());
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = rustix::fs::open(root, flags, Mode::empty()).context(context)?;
    hull_sys::fs::open_in_root(&dir, path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)
        .context(context)
}
