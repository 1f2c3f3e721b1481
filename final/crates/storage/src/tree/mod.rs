//! Whole directory trees: removing, copying, comparing, merging, measuring, extracting, changing the owner.
//!
//! The trees come from images and containers, so nothing in them is trusted. Every step is relative to an open
//! directory, no symlink is followed and no mount is entered, and a deep tree needs neither stack nor descriptors.

mod copy;
mod difference;
mod extract;
mod merge;
mod owner;
mod remove;
mod usage;
mod walk;

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags};

use crate::error::{IoContext, Result};

pub(crate) use copy::copy_directory;
pub use copy::copy_metadata;

pub use copy::{copy_layer, copy_tree, copy_tree_as};
pub use difference::difference;
pub use extract::{Destination, Refused, Replace, Target, open_beneath};
pub use merge::merge_layers;
pub use owner::change_owner;
pub use remove::remove_tree;
pub use usage::disk_usage;

/// Opens a file or directory for reading at `path` as seen from inside `root`: symlinks and `..` cannot leave it.
/// Anything else is refused before it is opened, because opening a device has side effects and opening a FIFO may
/// block.
pub fn open_in_root(root: &Path, path: &Path) -> Result<OwnedFd> {
    let context = || format!("open {} in {}", path.display(), root.display());
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = rustix::fs::open(root, flags, Mode::empty()).context(context)?;
    let found = hull_sys::fs::open_in_root(&dir, path, OFlags::PATH).context(context)?;
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&found).context(context)?.st_mode);
    if !matches!(kind, FileType::RegularFile | FileType::Directory) {
        return Err(rustix::io::Errno::INVAL).context(context);
    }
    // By the descriptor's link: the file that was examined, whatever its name leads to now.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    rustix::fs::open(hull_sys::fs::fd_path(&found), flags, Mode::empty()).context(context)
}
