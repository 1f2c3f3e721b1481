//! A connection on this process's standard streams.

use std::fs::File;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use anyhow::{Context, Result};
use hull_api::{Api, serve_connection};
use hull_sys::process::{self, Fork};

use super::own_process;

/// Serves a connection in a child process, which goes on until the connection ends. Returns the client's end.
pub fn serve(api: &Api) -> Result<OwnedFd> {
    let (ours, theirs) = UnixStream::pair()?;
    match process::fork()? {
        Fork::Parent { .. } => Ok(ours.into()),
        Fork::Child => {
            drop(ours);
            let served =
                own_process::leave_terminal().and_then(|()| Ok(serve_connection(api, theirs.into())?));
            process::exit_now(i32::from(served.is_err()))
        }
    }
}

/// Copies in both directions until the server closes the connection. Each direction ends by itself: a client that has sent
/// everything still gets the answer. This process starts no containers, so it may have a thread.
pub fn copy(socket: OwnedFd) -> Result<()> {
    let socket = UnixStream::from(socket);
    let own = |fd: &dyn AsFd| fd.as_fd().try_clone_to_owned().map(File::from);
    let (stdin, stdout) = (own(&std::io::stdin()), own(&std::io::stdout()));
    let (mut stdin, mut stdout) =
        (stdin.context("no standard input")?, stdout.context("no standard output")?);
    let mut to_server = socket.try_clone().context("cannot duplicate a descriptor")?;
    std::thread::spawn(move || {
        // A server that takes no more closes the connection, which ends the other direction.
        let _ = each_read(&mut stdin, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    each_read(&mut &socket, &mut stdout).context("cannot copy the server's answer")
}

/// Each piece is passed on as soon as it was read.
fn each_read(from: &mut impl Read, to: &mut impl Write) -> std::io::Result<()> {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        match from.read(&mut bytes) {
            Ok(0) => return Ok(()),
            Ok(length) => to.write_all(&bytes[..length])?,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}
