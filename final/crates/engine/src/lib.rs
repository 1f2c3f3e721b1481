//! Containers from create to remove, and the monitor that stays with each.
//!
//! ```text
//! options ── what was asked        record ── what was made (container.json)
//! spec    ── record → config.json  state  ── what is (state.json, exit.json)
//! monitor ── one process per running container: overlay, stdio, log, restart, cleanup
//! attach  ── how a command talks to it
//! network ── containers on networks
//! ```
//! Everything else is a file per verb, or per few that share a shape.

#![recursion_limit = "256"]

mod attach;
mod copy;
mod create;
mod ending;
mod engine;
mod error;
mod exec;
mod files;
mod freeze;
mod housekeeping;
mod images;
mod info;
mod inspect;
mod lifecycle;
mod list;
mod logs;
mod lost;
mod monitor;
mod names;
mod network;
pub mod options;
mod presence;
mod prune;
mod record;
mod remove;
pub mod rootless;
mod running;
pub mod signal;
mod skeleton;
mod spec;
mod state;
mod time;
mod top;
mod usage;
mod volumes;

pub use attach::{AttachEnd, AttachOptions, AttachStream, WindowSize};
pub use copy::{Change, CommitOptions, CopyOptions, CopyPath, Freezable};
pub use engine::Engine;
pub use error::{Error, Result};
pub use list::Summary;
pub use logs::LogSink;
pub use monitor::launch::StartAttach;
pub use network::{NetworkDefaults, NetworkOptions, NetworkRecord, PublishedPort};
pub use prune::{PruneOptions, Pruned};
pub use record::Record;
pub use state::Status;
pub use time::Timestamp;
pub use top::Top;
pub use usage::Usage;
