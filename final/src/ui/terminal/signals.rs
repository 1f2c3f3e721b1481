//! The signals of an attached command, read from a descriptor: a signal handler could not send to the container.

use std::os::fd::{AsFd, BorrowedFd};

use anyhow::{Context, Result};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// The signals that docker's `--sig-proxy` passes on.
const PROXIED: [Signal; 6] =
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGUSR2];

/// The command ends at this many SIGINT and SIGTERM, as docker's does, whatever the container does with them.
const MAX_INTERRUPTS: u8 = 3;

#[derive(Debug)]
pub(super) struct Signals {
    fd: SignalFd,
    /// How many SIGINT and SIGTERM have come.
    interrupts: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Received {
    /// The terminal's window has another size.
    Resized,
    Proxied(u8),
}

impl Signals {
    /// Blocks the signals, so that they are read here and do not end the command.
    pub(super) fn take_over(tty: bool, sig_proxy: bool) -> Result<Self> {
        let mut set = SigSet::empty();
        if tty {
            set.add(Signal::SIGWINCH);
        }
        if sig_proxy {
            set.extend(PROXIED);
        }
        let fd = set
            .thread_block()
            .and_then(|()| SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK))
            .map_err(std::io::Error::from)
            .context("cannot take over the signals")?;
        Ok(Self { fd, interrupts: 0 })
    }

    /// The next signal, or `None` if none has come.
    pub(super) fn next(&mut self) -> Result<Option<Received>> {
        let info = self.fd.read_signal().map_err(std::io::Error::from);
        let Some(info) = info.context("cannot read a signal")? else { return Ok(None) };
        let number = info.ssi_signo;
        if number == Signal::SIGWINCH as u32 {
            return Ok(Some(Received::Resized));
        }
        if number == Signal::SIGINT as u32 || number == Signal::SIGTERM as u32 {
            self.interrupts = self.interrupts.saturating_add(1);
        }
        Ok(u8::try_from(number).ok().map(Received::Proxied))
    }

    pub(super) fn has_to_end(&self) -> bool {
        self.interrupts >= MAX_INTERRUPTS
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
