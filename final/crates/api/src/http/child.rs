//! A handler in a process of its own, which answers on the connection itself.

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use hull_sys::process::{
    Fork, exit_now, fork, kill_and_reap, pidfd_open, pidfd_send_signal, reap, set_parent_death_signal,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::exchange::Exchange;
use crate::failure::{Failure, Result};

/// What a child reports before the bytes that it has read ahead: whether the connection can be kept, and the status.
const HEADER: usize = 3;

/// How many seconds a child has to notice that its client has gone, and then to end when it is told.
const GRACE: i64 = 1;
const PATIENCE: i64 = 10;

/// The status, for the log, of an answer that a killed child has not given.
const KILLED: u16 = 499;

impl Exchange<'_> {
    /// Runs the rest of a handler in a child process, which may use threads and mount namespaces. The child is ended when
    /// the client closes the connection, because nobody is left to answer.
    pub fn in_child(&mut self, work: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let pipe = std::io::pipe();
        let (mut reader, mut writer) =
            pipe.map_err(|error| Failure::new(500, format!("cannot make a pipe: {error}")))?;
        let failed = |what: &str, errno: nix::Error| Failure::new(500, format!("cannot {what}: {errno}"));
        let pid = match fork().map_err(|errno| failed("fork", errno))? {
            Fork::Parent { pid } => pid,
            Fork::Child => {
                drop(reader);
                let _ = set_parent_death_signal(nix::libc::SIGKILL);
                let outcome = work(self);
                let keeps = self.conclude(outcome);
                let [high, low] = self.status().unwrap_or(KILLED).to_be_bytes();
                let mut report = vec![u8::from(keeps), high, low];
                report.extend(self.connection_mut().take_buffered());
                // Without a report the parent closes the connection.
                let _ = writer.write_all(&report);
                exit_now(0)
            }
        };
        drop(writer);
        let child = pidfd_open(pid).map_err(|errno| failed("watch a process", errno))?;
        self.await_end(&child);
        let mut report = Vec::new();
        let is_read = reader.read_to_end(&mut report).is_ok();
        let _ = reap(child.as_fd());
        match report.get(..HEADER) {
            Some(&[1, high, low]) if is_read => {
                self.adopt(u16::from_be_bytes([high, low]), report.split_off(HEADER));
            }
            Some(&[_, high, low]) => self.close(u16::from_be_bytes([high, low])),
            _ => self.close(KILLED),
        }
        Ok(())
    }

    /// Waits for the child's end. Kills it if the client goes first.
    fn await_end(&self, child: &OwnedFd) {
        loop {
            // Only errors and hangups are asked for: the child reads what the client sends.
            let mut fds = [
                PollFd::new(child, PollFlags::IN),
                PollFd::from_borrowed_fd(self.connection().as_fd(), PollFlags::empty()),
            ];
            if poll(&mut fds, None).is_err() {
                continue;
            }
            let [ended, gone] = fds.map(|fd| !fd.revents().is_empty());
            if ended {
                return;
            }
            if gone {
                end(child);
                return;
            }
        }
    }
}

/// Ends a child. One that reads from the client or writes to it notices by itself, and cleans up; of the others most die of
/// SIGTERM, and one that has taken it over stops what it has begun.
fn end(child: &OwnedFd) {
    let has_ended = |seconds: i64| {
        let limit = Timespec { tv_sec: seconds, tv_nsec: 0 };
        matches!(poll(&mut [PollFd::new(child, PollFlags::IN)], Some(&limit)), Ok(1))
    };
    if has_ended(GRACE) {
        return;
    }
    let _ = pidfd_send_signal(child.as_fd(), nix::libc::SIGTERM);
    if !has_ended(PATIENCE) {
        let _ = kill_and_reap(child.as_fd());
    }
}
