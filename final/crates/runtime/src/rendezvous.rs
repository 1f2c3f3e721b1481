//! `create` and `start` in two processes, which the container connects by a socket in its state directory.
//!
//! ```text
//! creating process                child                                    starting process
//!          ◀──────────── Ready    closes its socket pair, listens
//!   ends                                     ◀──────────────────────────── connect, Go
//!                                 execve ─────────────────────────────────▶ end of file, or Failed
//! ```
//! The messages are those of `protocol.rs`.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use hull_sys::net::{connect, with_socket_address};
use hull_sys::process;
use hull_sys::wait::until_any_readable;
use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::error::{Error, Result, Step};
use crate::protocol::{Channel, Message};

/// Makes a listening socket at `path`, for [`crate::CreateOptions::rendezvous`].
pub fn bind(path: &Path) -> Result<OwnedFd> {
    let step = || format!("listen on {}", path.display());
    let socket =
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .step(|| "create a socket".into())?;
    with_socket_address(path, |address| rustix::net::bind(&socket, address)).step(step)?;
    rustix::net::listen(&socket, 1).step(step)?;
    Ok(socket)
}

/// Starts the program of the container that waits at `path`. Returns the error of an execve(2) that fails.
///
/// `ECONNREFUSED` means that no container waits there: it runs already, or has died.
pub fn start(path: &Path) -> Result<()> {
    let socket = connect(path, SocketType::SEQPACKET).step(|| format!("connect to {}", path.display()))?;
    let channel = Channel::from(socket);
    channel.send(&Message::Go)?;
    channel.await_execution()
}

/// Called in the child: waits for [`start`]. Only the descriptors `kept` stay open, because the child would otherwise hold
/// the creating process's locks and pipes while the container waits.
pub(crate) fn await_start(
    listener: &OwnedFd,
    preserved: u32,
    kept: Option<BorrowedFd<'_>>,
    channel: &mut Channel,
    signals: Option<TerminationSignals>,
) -> Result<()> {
    // Processes in the container must not read /proc/PID/fd of this one. execve(2) makes it dumpable again.
    process::set_dumpable(false).step(|| "hide from the container".into())?;
    let kept = kept.into_iter().chain([listener.as_fd()]);
    let kept: Vec<_> = kept.chain(signals.as_ref().map(|signals| signals.0.as_fd())).collect();
    process::close_all_but(3 + preserved, &kept).step(|| "close inherited descriptors".into())?;
    let mut accepted = accept(listener, signals.as_ref())?;
    // A starting process may die before it sends anything, and another may come.
    while !matches!(accepted.receive(), Ok(Some(Message::Go))) {
        accepted = accept(listener, signals.as_ref())?;
    }
    signals.map_or(Ok(()), TerminationSignals::unblock)?;
    // The old channel's descriptor is closed already, and its number may belong to another one: it must not be closed again.
    std::mem::forget(std::mem::replace(channel, accepted));
    Ok(())
}

/// The signals that terminate a process. The kernel drops them for the first process of a pid namespace, which has no
/// handler for them (pid_namespaces(7)). If they are blocked they stay pending, and can be read from a signalfd.
pub(crate) struct TerminationSignals(SignalFd);

impl TerminationSignals {
    fn set() -> SigSet {
        [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGABRT, Signal::SIGTERM]
            .into_iter()
            .collect()
    }

    pub(crate) fn block() -> Result<Self> {
        let step = || "block signals".to_owned();
        Self::set().thread_block().step(step)?;
        SignalFd::with_flags(&Self::set(), SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .map(Self)
            .step(step)
    }

    /// Exits as if a pending signal had terminated the process.
    fn die_if_pending(&self) {
        if let Ok(Some(signal)) = self.0.read_signal() {
            process::exit_now(128 + signal.ssi_signo as i32);
        }
    }

    fn unblock(self) -> Result<()> {
        Self::set().thread_unblock().step(|| "unblock signals".into())
    }
}

fn accept(listener: &OwnedFd, signals: Option<&TerminationSignals>) -> Result<Channel> {
    if let Some(signals) = signals {
        until_any_readable(&[listener.as_fd(), signals.0.as_fd()], None)
            .step(|| "wait for the start".into())?;
        signals.die_if_pending();
    }
    rustix::io::retry_on_intr(|| rustix::net::accept_with(listener, SocketFlags::CLOEXEC))
        .step(|| "wait for the start".into())
        .map(Channel::from)
}

/// True for the error of [`start`] that means that no container waits there.
pub fn is_nobody_waiting(error: &Error) -> bool {
    matches!(error, Error::Step { errno: Errno::ECONNREFUSED | Errno::ENOENT, .. })
}
