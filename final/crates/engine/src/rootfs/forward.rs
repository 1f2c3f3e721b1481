//! A socket in a step's container whose connections are forwarded to a socket of the host, as that of an ssh-agent. The
//! agent sees a connection from hull, because it refuses other users, and the program may be another user's.

use std::io::ErrorKind;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use hull_sys::process::{self, Fork};
use nix::libc::SIGKILL;

use crate::error::{IoContext, Result};

/// Makes a socket at `path` and forks the process that serves it, which ends with this one. `opened` refers to the host's
/// socket.
pub(super) fn listen(path: &Path, opened: BorrowedFd<'_>) -> Result<()> {
    let context = || format!("listen at {}", path.display());
    let listener = UnixListener::bind(short(path).context(context)?).context(context)?;
    match process::fork().context(|| "fork the process that forwards a socket".into())? {
        Fork::Parent { .. } => Ok(()),
        Fork::Child => serve(&listener, opened),
    }
}

/// A path that fits into the address of a socket (unix(7)): through the descriptor of its directory.
fn short(path: &Path) -> std::io::Result<std::path::PathBuf> {
    let directory = std::fs::File::open(path.parent().unwrap_or(path))?;
    // The descriptor has to outlive the call. One more in a monitor of a step does no harm.
    let link = hull_sys::fs::fd_path(&directory);
    std::mem::forget(directory);
    Ok(Path::new(&link).join(path.file_name().unwrap_or_default()))
}

fn serve(listener: &UnixListener, opened: BorrowedFd<'_>) -> ! {
    let ready = process::set_parent_death_signal(SIGKILL)
        .and_then(|()| process::close_all_but(3, &[listener.as_fd(), opened]))
        .and_then(|()| process::default_signals());
    if ready.is_ok() {
        let agent = hull_sys::fs::fd_path(opened);
        while let Ok((connection, _)) = listener.accept() {
            // Without the agent the program sees that its connection is closed.
            let Ok(inner) = UnixStream::connect(&agent) else { continue };
            // Without a thread the connection is closed: a step may open more than there can be threads.
            let _ = std::thread::Builder::new().spawn(move || copy_both_ways(&connection, &inner));
        }
    }
    process::exit_now(0)
}

fn copy_both_ways(one: &UnixStream, other: &UnixStream) {
    let copy = |mut from: &UnixStream, mut to: &UnixStream| match std::io::copy(&mut from, &mut to) {
        // A peer that has finished sending may still receive.
        Ok(_) => drop(to.shutdown(Shutdown::Write)),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => drop(from.shutdown(Shutdown::Read)),
        Err(_) => drop((from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both))),
    };
    std::thread::scope(|scope| {
        if std::thread::Builder::new().spawn_scoped(scope, || copy(one, other)).is_ok() {
            copy(other, one);
        }
    });
}
