//! Snapshots of containers, and copies: LXD's `snapshot`, `restore`, `copy`.
//!
//! ```text
//! store    what a snapshot is, and its file      files    the layers or subvolumes that it keeps
//! take     taking a snapshot                     restore  going back to a snapshot
//! change   list, rename, delete                  copy     a new container from a container or a snapshot
//! forms    files for a place of another form     relocate moving a container to another pool
//! refresh  a copy that follows its original      trust    what an archive asks of this machine
//! backup   all of a container as an archive      receive  a container from an archive
//! publish  an image of a snapshot                subvolumes  the part of `files` for btrfs
//! schedule what the keys snapshots.* ask for     pattern  the names that they give
//! ```
//! A snapshot belongs to its container and is removed with it. All changes are made under the container's lock, in such
//! an order that a killed command leaves the container complete. It may leave files that nothing names; the next change
//! removes them.

mod backup;
mod change;
mod copy;
mod files;
mod forms;
mod pattern;
mod publish;
mod receive;
mod refresh;
mod relocate;
mod restore;
mod schedule;
mod store;
mod subvolumes;
mod take;
mod trust;

pub use backup::BackupOptions;
pub use copy::InstanceCopy;
pub use receive::BackupImport;
pub use schedule::ScheduledRun;
pub use store::{InstanceSnapshot, SnapshotName};
pub use take::{Expiry, SnapshotOptions};
