//! The process that stays with a container: forked, not executed, single-threaded, one poll loop.
//!
//! ```text
//! launch   the command's side: fork, wait for "started"
//! run      the monitor's life: set up, run, restart, clean up
//! setup    overlay, volumes, config.json, cgroup, stdio
//! share    /dev/shm of another container
//! stdio    the container's pipes or terminal
//! events   the poll loop of one run
//! clients  attached commands and what waits for them
//! log      json-file
//! session  the short-lived monitor of an exec
//! recover  what a killed monitor left
//! ```

mod clients;
mod events;
pub(crate) mod launch;
pub(crate) mod log;
pub(crate) mod run;
pub(crate) mod session;
pub(crate) mod setup;
mod share;
mod stdio;
