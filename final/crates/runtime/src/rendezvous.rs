//! `create` and `start` as two processes: a socket in the container's state directory where they meet.
//!
//! ```text
//! creating process                child                                    starting process
//!          ◀──────────── Ready    closes the pair and all else, accepts
//!   ends                                     ◀──────────────────────────── connect, Go
//!                                 execve ─────────────────────────────────▶ end of file, or Failed
//! ```
//! The messages are those of the pair (`protocol.rs`).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use hull_sys::net::with_socket_address;
use hull_sys::process;
use hull_sys::wait::until_any_readable;
use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::error::{Error, Result, Step};
use crate::protocol::{Channel, Message};

/// A listening socket at `path`, for [`crate::CreateOptions::rendezvous`].
pub fn bind(path: &Path) -> Result<OwnedFd> {
    let step = || format!("listen on {}", path.display());
    let socket = socket(SocketType::SEQPACKET)?;
    with_socket_address(path, |address| rustix::net::bind(&socket, address)).step(step)?;
    rustix::net::listen(&socket, 1).step(step)?;
    Ok(socket)
}

/// Lets the program run of the container that waits at `path`; an execve(2) that fails comes back from here.
///
/// `ECONNREFUSED` says that nobody waits there: it runs already, or has died.
pub fn start(path: &Path) -> Result<()> {
    let socket = connect(path, SocketType::SEQPACKET)?;
    let channel = Channel::from(socket);
    channel.send(&Message::Go)?;
    match channel.receive()? {
        None => Ok(()),
        Some(Message::Failed(error)) => Err(error),
        Some(_) => Err(Error::InitDied),
    }
}

/// A socket connected to the one at `path`, which may be deeper than `sun_path` is long.
pub fn connect(path: &Path, kind: SocketType) -> Result<OwnedFd> {
    let socket = socket(kind)?;
    with_socket_address(path, |address| rustix::net::connect(&socket, address))
        .step(|| format!("connect to {}", path.display()))?;
    Ok(socket)
}

/// In the child: waits for [`start`]. Until then only the descriptors `kept` stay open, because the child would
/// otherwise hold the creating process's locks and pipes for as long as the container waits.
pub(crate) fn await_start(
    listener: &OwnedFd,
    preserved: u32,
    kept: Option<BorrowedFd<'_>>,
    channel: &mut Channel,
    signals: Option<EndingSignals>,
) -> Result<()> {
    // Nobody inside may look through /proc/PID/fd of what is still a process of ours; execve(2) ends it.
    process::set_dumpable(false).step(|| "hide from the container".into())?;
    let kept = kept.into_iter().chain([listener.as_fd()]);
    let kept: Vec<_> = kept.chain(signals.as_ref().map(|signals| signals.0.as_fd())).collect();
    process::close_all_but(3 + preserved, &kept).step(|| "close inherited descriptors".into())?;
    let mut accepted = accept(listener, signals.as_ref())?;
    // Whoever connected may have died before it could say anything; the next may not.
    while !matches!(accepted.receive(), Ok(Some(Message::Go))) {
        accepted = accept(listener, signals.as_ref())?;
    }
    signals.map_or(Ok(()), EndingSignals::release)?;
    // What was there is closed already, and its number may be another descriptor's: not to be closed again.
    std::mem::forget(std::mem::replace(channel, accepted));
    Ok(())
}

/// Signals that end a process. The kernel keeps them from the first of a pid namespace that does not handle them
/// (pid_namespaces(7)), but not where they are blocked: then they wait, and can be read.
pub(crate) struct EndingSignals(SignalFd);

impl EndingSignals {
    fn set() -> SigSet {
        [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGABRT, Signal::SIGTERM]
            .into_iter()
            .collect()
    }

    pub(crate) fn hold() -> Result<Self> {
        let step = || "hold back signals".to_owned();
        Self::set().thread_block().step(step)?;
        SignalFd::with_flags(&Self::set(), SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .map(Self)
            .step(step)
    }

    /// Dies of one that has come.
    fn obey(&self) {
        if let Ok(Some(signal)) = self.0.read_signal() {
            process::exit_now(128 + signal.ssi_signo as i32);
        }
    }

    fn release(self) -> Result<()> {
        Self::set().thread_unblock().step(|| "let signals through".into())
    }
}

fn accept(listener: &OwnedFd, signals: Option<&EndingSignals>) -> Result<Channel> {
    if let Some(signals) = signals {
        until_any_readable(&[listener.as_fd(), signals.0.as_fd()], None)
            .step(|| "wait for the start".into())?;
        signals.obey();
    }
    rustix::io::retry_on_intr(|| rustix::net::accept_with(listener, SocketFlags::CLOEXEC))
        .step(|| "wait for the start".into())
        .map(Channel::from)
}

fn socket(kind: SocketType) -> Result<OwnedFd> {
    rustix::net::socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)
        .step(|| "create a socket".into())
}

/// True for the error of [`start`] that says that nobody waits.
pub fn is_nobody_waiting(error: &Error) -> bool {
    matches!(error, Error::Step { errno: Errno::ECONNREFUSED | Errno::ENOENT, .. })
}
