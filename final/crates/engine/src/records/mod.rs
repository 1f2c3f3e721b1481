//! What is known of a container, on disk and from the kernel. Every other room of the engine reads this one; it reads none of them.
//!
//! ```text
//! options  what was asked: docker's options, typed            record  what was made: container.json
//! state    what is: state.json, exit.json                     lost    a state that is asked of the kernel
//! ```

pub(crate) mod lost;
pub(crate) mod monitor_lock;
pub mod options;
pub(crate) mod record;
pub mod signal;
pub(crate) mod state;
pub(crate) mod time;
