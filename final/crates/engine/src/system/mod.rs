//! Information about, and cleanup of, all containers, images, networks and volumes together.
//!
//! ```text
//! info   the machine and the roots     usage   system df     prune   system prune, container prune
//! ```

mod info;
pub(crate) mod prune;
pub(crate) mod usage;
