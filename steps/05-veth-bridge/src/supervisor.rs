//! The supervisor: a process that removes the directories of this program, however this program
//! ends.
//!
//! Most parts of a container end with its last process. A directory does not, and a process that is
//! killed by SIGKILL removes nothing. So a second process removes the directories. It blocks on a
//! pipe until every write end is closed; the kernel closes them when this program dies.

// fork and close_range.
#![allow(unsafe_code)]

use std::io::{self, ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, dup2_stdin, fork, pipe2, setsid};

use crate::report;

/// Dropping this value removes the directories. The write end of the pipe is open in this process
/// only, so the end of file means that this process has ended.
pub struct Supervisor {
    pid: Pid,
    lifeline: Option<OwnedFd>,
}

impl Supervisor {
    /// Starts the supervisor, before the directories are made and with signals blocked. Why is Drop
    /// not enough? Drop runs at the end or after an error, but not after SIGKILL, which the kernel
    /// also sends for lack of memory. A cleanup at the next start is not enough either, because
    /// there may be no next start.
    pub fn start(directories: &[PathBuf], remove: fn(&Path) -> io::Result<()>) -> Result<Self> {
        let (reader, writer) = pipe2(nix::fcntl::OFlag::O_CLOEXEC).context("pipe2")?;
        // SAFETY: this process has one thread, so the child finds no lock held.
        match unsafe { fork() }.context("fork")? {
            ForkResult::Parent { child } => Ok(Self { pid: child, lifeline: Some(writer) }),
            ForkResult::Child => {
                // A session of its own, so that signals of the terminal do not reach it.
                let _ = setsid();
                // Close everything but the read end of the pipe. An inherited write end, of this
                // pipe or of an earlier supervisor's pipe, would keep the end of file from coming.
                let _ = dup2_stdin(&reader);
                // SAFETY: closes descriptors by number; this process exits without dropping the
                // values that own them.
                unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) };
                let _ = io::stdin().read(&mut [0]);
                directories.iter().for_each(|directory| clear(directory, remove));
                // Exit here, because returning would run the Drops of the caller, which belong to
                // the parent.
                std::process::exit(0)
            }
        }
    }
}

/// Tries for ten seconds, because after a SIGKILL the container's processes may still be exiting.
/// The supervisor retries where another program would report an error, because perhaps nobody is
/// left to read the error.
fn clear(directory: &Path, remove: fn(&Path) -> io::Result<()>) {
    for _ in 0..10_000 {
        match remove(directory) {
            Ok(()) => return report::trace(format!("removed {}", directory.display())),
            // It was never created.
            Err(error) if error.kind() == ErrorKind::NotFound => return,
            // Mostly EBUSY: the kernel frees a dead process's memory before it takes the process
            // out of its cgroup.
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
    report::say(format_args!("error: {} could not be removed", directory.display()));
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // Closing the pipe starts the removal; the wait makes sure that it is complete before this
        // program ends.
        drop(self.lifeline.take());
        let _ = waitpid(self.pid, None);
    }
}
