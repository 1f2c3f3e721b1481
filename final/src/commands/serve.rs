//! `serve`: docker's API on a socket.

use std::path::Path;

use anyhow::{Context, Result, bail};
use hull_api::{Api, Listener, Server};
use hull_engine::Engine;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::comeback;
use crate::cli::serve::Serve;

pub fn serve(engine: Engine, args: &Serve) -> Result<u8> {
    let mut listeners = Vec::new();
    for host in &args.hosts {
        let Some(path) = host.strip_prefix("unix://") else {
            bail!("invalid host {host:?}: it begins with unix://")
        };
        listeners.push(listen(Path::new(path)).with_context(|| format!("cannot listen on {path}"))?);
    }
    let api = Api { engine, after_request: comeback::start_pending_of };
    Server { api, listeners, idle: None }.run().context("cannot serve")?;
    Ok(0)
}

fn listen(path: &Path) -> Result<Listener> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    rustix::net::listen(&socket, 128)?;
    Ok(Listener { socket })
}
