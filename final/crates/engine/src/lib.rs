//! Containers from create to remove, and the monitor that stays with each.
//!
//! ```text
//! options ── what was asked        record ── what was made (container.json)
//! spec    ── record → config.json  state  ── what is (state.json, exit.json)
//! monitor ── one process per running container: overlay, stdio, log, restart, cleanup
//! ```
//! Everything else is one file per verb.

pub mod options;
