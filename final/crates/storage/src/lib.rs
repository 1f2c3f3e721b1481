//! hull's state on disk: roots, locks, names, layers, overlays, volumes.
//!
//! ```text
//! step_layer  layers that builds make                unsynced   those that are not on the disk yet
//! root        the data and run directories of one hull, and which version wrote them      paths   where they are by default
//! names       names of containers          layers   unpacked layers          writable_layer   a container's own layer
//! overlay     mounts layers                mapped_layers  layers with mapped ids     volumes  named and anonymous volumes
//! pools       storage pools: directories, subvolumes of btrfs, image files
//! file        files that appear whole      directory, tree  directories, and whole trees
//! backing     the disk that a file is on
//! staging     objects before publication   lock     one lock per object      process_id, boot  who made what, and when
//! ```
//!
//! `final/ARCHITECTURE.md`, "On disk", draws the tree on disk. There is no global lock. A lock file covers one object's
//! state transition, never a wait ([`lock`]). Readers take no lock, because every file appears whole under its name
//! ([`mod@file`]). Whatever an interrupted command leaves behind carries the [`process_id`] of its maker, so that the
//! next command can tell it from work in progress.

pub mod backing;
pub mod boot;
pub mod directory;
mod error;
pub mod file;
pub mod layers;
pub mod lock;
mod mapped_layers;
pub mod names;
pub mod overlay;
pub mod paths;
pub mod pools;
pub mod process_id;
pub mod root;
pub mod staging;
pub mod step_layer;
pub mod tree;
mod unsynced;
pub mod volumes;
pub mod writable_layer;

#[cfg(test)]
mod testing;

pub use error::{Error, OverlayObstacle, Result, describe_holder};
pub use mapped_layers::LayerIds;
