//! The signals by which a user ends a command, read from a descriptor.

use std::os::fd::{AsFd, BorrowedFd};

use anyhow::{Context, Result};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// SIGINT and SIGTERM are blocked until this is dropped.
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    pub fn take_over() -> Result<Self> {
        let set = set();
        let fd = set
            .thread_block()
            .and_then(|()| SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK));
        fd.map(Self).map_err(std::io::Error::from).context("cannot take over the signals")
    }

    /// Takes one signal. False if none has come.
    pub fn next(&self) -> Result<bool> {
        let signal = self.0.read_signal().map_err(std::io::Error::from);
        Ok(signal.context("cannot read a signal")?.is_some())
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // They would end the process when they are not blocked any more.
        while let Ok(true) = self.next() {}
        let _ = set().thread_unblock();
    }
}

fn set() -> SigSet {
    let mut set = SigSet::empty();
    set.extend([Signal::SIGINT, Signal::SIGTERM]);
    set
}
