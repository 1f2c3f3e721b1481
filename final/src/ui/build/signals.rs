//! The signals that end a build, read from a descriptor, so that its steps are stopped and nothing but cache is left.

use std::os::fd::{AsFd, BorrowedFd};

use anyhow::{Context, Result};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

#[derive(Debug)]
pub struct Signals(SignalFd);

fn set() -> SigSet {
    let mut set = SigSet::empty();
    set.extend([Signal::SIGINT, Signal::SIGTERM]);
    set
}

impl Signals {
    /// Blocks the signals until this is dropped.
    pub fn take_over() -> Result<Self> {
        let set = set();
        let fd = set
            .thread_block()
            .and_then(|()| SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK));
        fd.map(Self).map_err(std::io::Error::from).context("cannot take over the signals")
    }

    /// Takes the signals that have come. They would end the process when they are not blocked any more.
    pub fn forget(&self) {
        while let Ok(Some(_)) = self.0.read_signal() {}
    }

    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // It fails only for an invalid argument.
        let _ = set().thread_unblock();
    }
}
