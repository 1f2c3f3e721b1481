//! Connections that carry what a program reads and writes.
//!
//! ```text
//! pump       a client's connection, joined to an attachment     frames     docker's framing of stdout and stderr
//! log        a container's log as such a stream                 websocket  the same over a websocket (RFC 6455)
//! ```

mod frames;
mod log;
mod pump;
mod websocket;

pub use frames::Framing;
pub use log::LogWriter;
pub use pump::{Plan, StdinEnd, pump};
pub use websocket::accept as accept_websocket;

use crate::version::ApiVersion;

/// The type of a stream whose two outputs are not told apart.
pub const RAW: &str = "application/vnd.docker.raw-stream";

/// The type of a stream in docker's frames.
pub const MULTIPLEXED: &str = "application/vnd.docker.multiplexed-stream";

/// The first version in which the type tells whether a stream has frames.
pub const NAMES_FRAMES: ApiVersion = ApiVersion(42);
