//! The verbs of a container, a file each, or one for a few that share a shape. No verb imports another one: what they
//! share is in `records`, `handle` and `gc`.

pub(crate) mod boot;
pub(crate) mod create;
mod devices;
mod exec;
pub(crate) mod generate;
mod healthcheck;
mod inspect;
pub(crate) mod list;
pub(crate) mod mount;
mod names;
mod pause;
mod remove;
mod rename;
pub(crate) mod start;
pub(crate) mod stats;
mod stop;
pub(crate) mod top;
pub(crate) mod transitions;
mod update;
pub(crate) mod wait;
pub(crate) mod wait_end;
