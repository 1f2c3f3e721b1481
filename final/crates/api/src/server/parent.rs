//! The parent: one poll loop over its workers.

use std::collections::HashSet;
use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

use hull_sys::process::{Fork, exit_now, fork};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use rustix::event::{PollFd, PollFlags, poll};

use super::Server;
use super::status::{self, Reader, Writer};
use super::worker::Worker;

/// Idle workers that are kept ready. A burst of more connections waits in the listeners' queues while others are forked.
const READY: usize = 2;

struct Parent {
    server: Server,
    signals: SignalFd,
    status: (Reader, Writer),
    idle: HashSet<u32>,
    busy: HashSet<u32>,
}

pub(super) fn run(server: Server) -> io::Result<()> {
    let mut handled = SigSet::empty();
    for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        handled.add(signal);
    }
    handled.thread_block()?;
    let mut parent = Parent {
        server,
        signals: SignalFd::with_flags(&handled, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?,
        status: status::pipe()?,
        idle: HashSet::new(),
        busy: HashSet::new(),
    };
    parent.serve()
}

impl Parent {
    fn serve(&mut self) -> io::Result<()> {
        let mut unused_since = Instant::now();
        loop {
            while self.idle.len() < READY {
                self.fork_worker()?;
            }
            let left = match self.server.idle {
                Some(idle) if self.busy.is_empty() => Some(idle.saturating_sub(unused_since.elapsed())),
                _ => None,
            };
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(());
            }
            let mut fds = [
                PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN),
                PollFd::new(&self.status.0, PollFlags::IN),
            ];
            let timeout = left.and_then(|left| left.try_into().ok());
            // A signal is read below, and a lack of memory may pass.
            let _ = poll(&mut fds, timeout.as_ref());
            for pid in self.status.0.read() {
                if self.idle.remove(&pid) {
                    self.busy.insert(pid);
                }
                unused_since = Instant::now();
            }
            if self.take_signals() {
                return Ok(());
            }
            if !self.busy.is_empty() {
                unused_since = Instant::now();
            }
        }
    }

    fn fork_worker(&mut self) -> io::Result<()> {
        let parent = std::process::id();
        match fork()? {
            Fork::Parent { pid } => {
                self.idle.insert(pid.unsigned_abs());
                Ok(())
            }
            Fork::Child => {
                let listeners = std::mem::take(&mut self.server.listeners);
                let worker = Worker { api: &self.server.api, listeners, status: &self.status.1, parent };
                exit_now(i32::from(worker.run().is_err()))
            }
        }
    }

    /// Returns true if the server is to end.
    fn take_signals(&mut self) -> bool {
        while let Ok(Some(signal)) = self.signals.read_signal() {
            if signal.ssi_signo != Signal::SIGCHLD as u32 {
                return true;
            }
        }
        while let Ok(status @ (WaitStatus::Exited(..) | WaitStatus::Signaled(..))) =
            waitpid(None, Some(WaitPidFlag::WNOHANG))
        {
            if let Some(pid) = status.pid() {
                let pid = pid.as_raw().unsigned_abs();
                self.idle.remove(&pid);
                self.busy.remove(&pid);
            }
        }
        false
    }
}
