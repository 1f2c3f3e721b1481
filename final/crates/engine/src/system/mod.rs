//! Information about, and cleanup of, all containers, images, networks and volumes together.
//!
//! ```text
//! info   the machine and the roots     version   what hull claims to be
//! usage  system df                     prune     system prune, container prune
//! ```

mod info;
pub(crate) mod prune;
pub(crate) mod usage;
pub(crate) mod version;
