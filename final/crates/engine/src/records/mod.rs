//! What is known of containers, from the disk and from the kernel. This is the lowest room: it imports no other one.
//!
//! ```text
//! options  what was asked: docker's options, typed            record   what was created: container.json
//! state    its state: state.json, exit.json                   lost     a state reconstructed from the kernel
//! snapshot both, at one moment
//! find     names and ids                                      locks    who may change what
//! run_dir  the directory below the run root                   process  a recorded process, by descriptor
//! ```

pub(crate) mod find;
pub(crate) mod ids;
mod locks;
pub(crate) mod lost;
pub(crate) mod monitor_lock;
pub mod options;
pub(crate) mod process;
pub(crate) mod pruned;
pub(crate) mod record;
pub(crate) mod run_dir;
pub mod signal;
pub(crate) mod snapshot;
pub(crate) mod state;
pub(crate) mod stream;
pub(crate) mod time;
