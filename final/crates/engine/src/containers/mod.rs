//! The verbs of a container, a file each, or one for a few that share a shape.

pub(crate) mod create;
mod exec;
mod inspect;
pub(crate) mod lifecycle;
pub(crate) mod list;
mod names;
pub(crate) mod remove;
pub(crate) mod top;
