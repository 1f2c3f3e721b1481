//! Forked processes of a build, and what they say.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use hull_sys::process::{Fork, exit_now, fork, kill_and_reap, pidfd_open, reap, set_parent_death_signal};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::wire::{FromWorker, Link};
use crate::error::{Error, IoContext, Result};
use crate::progress::Reporter;

/// Processes by what they work on. Dropped, all of them are killed.
pub(super) struct Processes<K: Ord + Copy> {
    running: BTreeMap<K, Process>,
}

struct Process {
    process: OwnedFd,
    link: Link,
}

impl<K: Ord + Copy> Processes<K> {
    pub(super) fn new() -> Self {
        Self { running: BTreeMap::new() }
    }

    pub(super) fn count(&self) -> usize {
        self.running.len()
    }

    /// Forks a process that does `work` and ends. It dies with this one.
    pub(super) fn start(&mut self, key: K, work: impl FnOnce(Link)) -> Result<()> {
        let context = || "start a process of the build".to_owned();
        let (own, other) = UnixStream::pair().context(context)?;
        match fork().context(context)? {
            Fork::Parent { pid } => {
                let process = pidfd_open(pid).context(context)?;
                self.running.insert(key, Process { process, link: Link::new(own) });
                Ok(())
            }
            Fork::Child => {
                // Without its parent nobody needs the result.
                let _ = set_parent_death_signal(nix::libc::SIGKILL);
                drop(own);
                // The others are not this process's children.
                std::mem::forget(std::mem::take(&mut self.running));
                work(Link::new(other));
                exit_now(0)
            }
        }
    }

    /// Waits until processes have said something, and returns one message of each. A process that has ended is removed.
    ///
    /// # Errors
    ///
    /// [`Error::Cancelled`] if the caller cancels the build. The message of a process that has ended without a result is
    /// an error.
    pub(super) fn wait(&mut self, reporter: &mut dyn Reporter) -> Result<Vec<(K, Result<FromWorker>)>> {
        let ready = self.poll(reporter)?;
        Ok(ready.into_iter().map(|key| (key, self.receive(key))).collect())
    }

    fn poll(&self, reporter: &mut dyn Reporter) -> Result<Vec<K>> {
        let buffered = self.running.iter().filter(|(_, one)| one.link.has_buffered());
        let buffered: Vec<K> = buffered.map(|(key, _)| *key).collect();
        if !buffered.is_empty() {
            return Ok(buffered);
        }
        loop {
            let keys: Vec<K> = self.running.keys().copied().collect();
            let sockets = self.running.values().map(|one| one.link.socket().as_fd());
            let cancel = reporter.cancellation();
            let mut fds: Vec<PollFd<'_>> =
                sockets.chain(cancel).map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
            let interval = reporter.interval().and_then(|time| Timespec::try_from(time).ok());
            let outcome = poll(&mut fds, interval.as_ref());
            let is_ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
            match outcome {
                Ok(0) => reporter.tick(),
                Ok(_) if is_ready.get(keys.len()) == Some(&true) => return Err(Error::Cancelled),
                Ok(_) => {
                    return Ok(keys
                        .into_iter()
                        .zip(is_ready)
                        .filter_map(|(key, ready)| ready.then_some(key))
                        .collect());
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error).context(|| "wait for the build's processes".into()),
            }
        }
    }

    fn receive(&mut self, key: K) -> Result<FromWorker> {
        let message = match self.running.get_mut(&key) {
            Some(process) => process.link.receive::<FromWorker>()?,
            None => None,
        };
        let code = match &message {
            Some(FromWorker::Event(_) | FromWorker::Needs(_)) => None,
            _ => Some(self.end(key)?),
        };
        message.ok_or_else(|| Error::Worker {
            kind: hull_sys::Kind::Kernel,
            text: format!("a process of the build ended early: {}", shown_end(code.unwrap_or(0))),
        })
    }

    /// The connection to a process.
    pub(super) fn link(&mut self, key: K) -> Option<&mut Link> {
        self.running.get_mut(&key).map(|process| &mut process.link)
    }

    fn end(&mut self, key: K) -> Result<u8> {
        let Some(ended) = self.running.remove(&key) else { return Ok(0) };
        reap(ended.process.as_fd()).context(|| "wait for a process of the build".into())
    }
}

/// 128 and its number stand for a signal, as in shells.
fn shown_end(code: u8) -> String {
    match code.checked_sub(128).map(|number| nix::sys::signal::Signal::try_from(i32::from(number))) {
        Some(Ok(signal)) => format!("it was killed by {signal}"),
        _ => format!("its exit code was {code}"),
    }
}

impl<K: Ord + Copy> Drop for Processes<K> {
    fn drop(&mut self) {
        for (_, process) in std::mem::take(&mut self.running) {
            // The containers of its steps end with it.
            let _ = kill_and_reap(process.process.as_fd());
        }
    }
}
