//! Whole directory trees: removing, copying, measuring.
//!
//! What is in them came out of images and containers, so nothing in a tree is believed: every step is relative to an
//! open directory, no symlink is followed, no mount is entered, and depth costs neither stack nor descriptors.

mod copy;
mod remove;
mod usage;
mod walk;

pub use copy::copy_tree;
pub use remove::remove_tree;
pub use usage::disk_usage;

pub(crate) use copy::{copy_directory, copy_metadata};
