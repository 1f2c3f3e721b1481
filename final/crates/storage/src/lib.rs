//! hull's state on disk: roots, locks, names, layers, overlays, volumes.
//!
//! ```text
//! <data>  /var/lib/hull                          <run>  /run/hull (tmpfs)
//!   version            {"format":2}                containers/<id>/   state.json, lock, attach.sock
//!   blobs/ index.json  the image store: images/    userns.json        an unprivileged user's namespace holder
//!   run-root.json      an unprivileged user's run root
//!   layers/<chain-id>/diff
//!   layers/.staging-*  being unpacked
//!   containers/<id>/   records, upper/ and work/: `writable_layer`
//!   names/<name>       {"id", "maker"}
//!   volumes/<name>/    volume.json, _data
//! ```
//!
//! There is no global lock. A lock file covers one object's state transition, never a wait ([`lock`]). Readers take no
//! lock, because every file appears whole under its name ([`mod@file`]). Whatever an interrupted command leaves behind
//! carries the [`process_id`] of its maker, so that the next command can tell it from work in progress.

pub mod boot;
pub mod directory;
mod error;
pub mod file;
pub mod layers;
pub mod lock;
pub mod names;
pub mod overlay;
pub mod paths;
pub mod process_id;
pub mod root;
pub mod staging;
pub mod tree;
pub mod volumes;
pub mod writable_layer;

#[cfg(test)]
mod testing;

pub use error::{Error, OverlayObstacle, Result, describe_holder};
