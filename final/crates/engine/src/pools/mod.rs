//! Storage pools: where containers and volumes are kept, if not below the data root.
//!
//! ```text
//! record   a pool's record                      keys    its keys
//! mount    image files on the host: mounted once, seen by hull only
//! verbs    list, create, delete, set            place   a container's files in a pool, and their size
//! root_disk  the disk device of the root        resize  another size for a container's files
//! usage    who uses a pool                      clean   what killed commands have left
//! moved    a container that moves to another pool    copied  the files of a copy, until they are complete
//! volumes/ the volumes of pools
//! ```
//!
//! ```text
//! <data>/pools/<name>.json            the record; written before the pool is made, and removed after it is gone
//!              <name>/, <name>.img    a pool for which no source was given
//!              <name>.lock         held while volumes of the pool change
//! <data>/pools.lock                   held while a pool is made, changed or removed
//! ```

pub(crate) mod clean;
pub(crate) mod copied;
mod keys;
pub(crate) mod mount;
pub(crate) mod moved;
pub(crate) mod place;
pub mod record;
pub(crate) mod resize;
pub(crate) mod root_disk;
mod usage;
pub mod verbs;
pub mod volumes;

pub use record::{Driver, Pool};
