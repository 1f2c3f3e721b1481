//! Checks of stdin, stdout and stderr, and sending a terminal's master to the process that keeps it (`--console-socket`).

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use anyhow::{Context, Result, bail};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketType};

/// Checks that somebody keeps the terminal's master, because otherwise the kernel hangs the terminal up at once.
pub fn check(terminal: bool, detached: bool, socket: Option<&Path>) -> Result<()> {
    match (terminal && detached, socket) {
        (true, None) => bail!("the process has a terminal and is detached: --console-socket is needed"),
        (false, Some(_)) => bail!("--console-socket is for a detached process with a terminal"),
        _ => Ok(()),
    }
}

pub fn connect(path: &Path) -> Result<OwnedFd> {
    hull_sys::net::connect(path, SocketType::STREAM)
        .with_context(|| format!("cannot connect to {}", path.display()))
}

/// Sends the master by `SCM_RIGHTS` (unix(7)), with its name as data, as runc does.
pub fn send(socket: &OwnedFd, master: Option<OwnedFd>) -> Result<()> {
    let Some(master) = master else { bail!("the container has made no terminal") };
    send_fd(socket, master.as_fd(), b"/dev/ptmx").context("cannot send the terminal to the console socket")
}

/// Sends the process's pidfd to the socket of `--pidfd-socket`.
pub fn send_pidfd(socket: &OwnedFd, pidfd: BorrowedFd<'_>) -> Result<()> {
    send_fd(socket, pidfd, b"pidfd").context("cannot send the pidfd to the pidfd socket")
}

fn send_fd(socket: &OwnedFd, fd: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<()> {
    let fds = [fd];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&fds));
    rustix::net::sendmsg(socket, &[IoSlice::new(name)], &mut ancillary, SendFlags::NOSIGNAL).map(drop)
}

/// Refuses directories as stdin, stdout or stderr, which the program inherits: `openat(0, "..")` would lead to the host.
pub fn refuse_directories() -> Result<()> {
    for (fd, name) in standard() {
        if file_type(fd, name)?.is_dir() {
            bail!("{name} is a directory of the host, which the container must not reach");
        }
    }
    Ok(())
}

fn standard() -> [(BorrowedFd<'static>, &'static str); 3] {
    [
        (rustix::stdio::stdin(), "stdin"),
        (rustix::stdio::stdout(), "stdout"),
        (rustix::stdio::stderr(), "stderr"),
    ]
}

fn file_type(fd: BorrowedFd<'_>, name: &str) -> Result<rustix::fs::FileType> {
    let stat = rustix::fs::fstat(fd).with_context(|| format!("cannot look at {name}"))?;
    Ok(rustix::fs::FileType::from_raw_mode(stat.st_mode))
}
