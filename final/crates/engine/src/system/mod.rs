//! Information about, and cleanup of, all containers, images, networks and volumes together.

mod info;
pub(crate) mod prune;
pub(crate) mod usage;
