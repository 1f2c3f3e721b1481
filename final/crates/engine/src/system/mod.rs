//! What is said and done of all containers, images, networks and volumes together.

mod info;
pub(crate) mod prune;
pub(crate) mod usage;
