//! The server's processes.
//!
//! ```text
//! parent    makes the sockets, keeps idle workers ready, and reaps them
//!  └─ worker   accepts one connection, serves its requests in turn, and ends
//!      └─ monitors, and children for work that needs threads
//! ```
//! The parent opens the engine and touches nothing else, so a worker is a fork of a small process: a client does not wait for
//! one to be made. No state is shared: a worker that is killed takes only its own connection with it.
//!
//! ```text
//! address    docker's URLs          unix  a socket's file        inherited  sockets of systemd
//! peer       which processes are served       log     write requests
//! tls        TCP                    status     workers tell the parent that they are busy
//! ```

mod address;
mod error;
mod inherited;
mod log;
mod parent;
mod peer;
mod status;
mod tls;
mod unix;
mod worker;

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

pub use address::Address;
pub use error::{Error, Result};
use inherited::Inherited;
pub use log::Log;
use peer::Access;
pub use tls::Tls;
use unix::SocketFile;

use crate::api::Api;

/// A socket that listens.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
    access: Access,
    /// For TCP.
    tls: Option<Tls>,
    /// Removed at the end.
    file: Option<SocketFile>,
}

impl Listener {
    /// Makes a unix socket for this user and root, and for this group if one is given.
    pub fn unix(path: &Path, group: Option<u32>) -> Result<Self> {
        let (socket, file, access) = unix::listen(path, group)?;
        Ok(Self { socket, access, tls: None, file: Some(file) })
    }

    /// Listens on TCP. Without TLS that is an error.
    pub fn tcp(address: SocketAddr, tls: Option<Tls>) -> Result<Self> {
        let tls = Some(tls.ok_or(Error::NoTls)?);
        Ok(Self { socket: tls::listen(address)?, access: Access::default(), tls, file: None })
    }

    /// Takes a socket that systemd has made, by the name that it has there.
    pub fn inherited(socket: OwnedFd, name: &str, tls: Option<&Tls>) -> Result<Self> {
        let (access, tls) = match inherited::adopt(&socket, name)? {
            Inherited::Unix(access) => (access, None),
            Inherited::Tcp => (Access::default(), Some(tls.ok_or(Error::NoTls)?.clone())),
        };
        Ok(Self { socket, access, tls, file: None })
    }
}

/// What `serve` runs.
pub struct Server {
    pub api: Api,
    pub listeners: Vec<Listener>,
    /// How long nobody may be connected before the server ends.
    pub idle: Option<Duration>,
    pub log: Option<Log>,
}

impl Server {
    /// Serves until SIGTERM or SIGINT, or until nobody has been connected for the idle time. Connections that are open go on
    /// with their workers. No thread may exist in this process.
    pub fn run(self) -> std::io::Result<()> {
        parent::run(self)
    }
}

/// Serves one connection of this user, without a server. No thread may exist in this process.
pub fn serve_connection(api: &Api, socket: OwnedFd) -> std::io::Result<()> {
    worker::serve_connection(api, socket)
}
