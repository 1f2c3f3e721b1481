//! Sockets that were made by systemd and passed to this process (sd_listen_fds(3)), which serves all their connections
//! (`Accept=no`).

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, getsockname, sockopt};

use super::error::{Error, Result};
use super::peer::Access;

/// What a socket that was passed can be.
pub(super) enum Inherited {
    Unix(Access),
    Tcp,
}

/// Checks a socket that was passed, and makes it one that does not block. Errors name the socket by `name`.
pub(super) fn adopt(socket: &OwnedFd, name: &str) -> Result<Inherited> {
    let wrong = |why: &str| Error::Inherited { name: name.to_owned(), why: why.to_owned() };
    let kind = sockopt::socket_type(socket).map_err(|_| wrong("it is not a socket"))?;
    if kind != SocketType::STREAM {
        return Err(wrong("it is not a stream socket: its unit needs ListenStream="));
    }
    if !sockopt::socket_acceptconn(socket).unwrap_or(false) {
        return Err(wrong("it does not listen: its unit needs Accept=no"));
    }
    let flags = rustix::fs::fcntl_getfl(socket).map_err(|errno| wrong(&errno.to_string()))?;
    rustix::fs::fcntl_setfl(socket, flags | OFlags::NONBLOCK).map_err(|errno| wrong(&errno.to_string()))?;
    match sockopt::socket_domain(socket) {
        Ok(AddressFamily::UNIX) => Ok(Inherited::Unix(access(socket))),
        Ok(AddressFamily::INET | AddressFamily::INET6) => Ok(Inherited::Tcp),
        _ => Err(wrong("it is neither a unix socket nor one of TCP")),
    }
}

/// By the socket's file, whose owner, group and modes are the unit's `SocketUser=`, `SocketGroup=` and `SocketMode=`. A socket
/// without a file has no group.
fn access(socket: &OwnedFd) -> Access {
    let address = getsockname(socket).ok().and_then(|address| SocketAddrUnix::try_from(address).ok());
    let file = address.as_ref().and_then(|address| address.path_bytes());
    let file = file.and_then(|path| Path::new(std::ffi::OsStr::from_bytes(path)).symlink_metadata().ok());
    match file {
        Some(file) => Access::of_file(file.uid(), file.gid(), file.mode()),
        None => Access::of_file(rustix::process::geteuid().as_raw(), 0, 0),
    }
}
