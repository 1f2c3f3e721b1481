//! The server's processes.
//!
//! ```text
//! parent    makes the sockets, keeps idle workers ready, and reaps them
//!  └─ worker   accepts one connection, serves its requests in turn, and ends
//!      └─ monitors, and children for work that needs threads
//! ```
//! The parent opens the engine and touches nothing else, so a worker is a fork of a small process: a client does not wait for
//! one to be made. No state is shared: a worker that is killed takes only its own connection with it.

mod parent;
mod status;
mod worker;

use std::os::fd::OwnedFd;
use std::time::Duration;

use crate::api::Api;

/// A socket that listens.
#[derive(Debug)]
pub struct Listener {
    pub socket: OwnedFd,
}

/// What `serve` runs.
pub struct Server {
    pub api: Api,
    pub listeners: Vec<Listener>,
    /// How long nobody may be connected before the server ends.
    pub idle: Option<Duration>,
}

impl Server {
    /// Serves until SIGTERM or SIGINT, or until nobody has been connected for the idle time. Connections that are open go on
    /// with their workers. No thread may exist in this process.
    pub fn run(self) -> std::io::Result<()> {
        parent::run(self)
    }
}
