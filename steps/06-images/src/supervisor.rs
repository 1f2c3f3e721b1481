//! A process that takes away what we have made when we are gone, however we go.
//!
//! Most of what a container is made of ends with its last process. A directory does not, and a process that is killed by
//! -9 removes nothing. So another one does it, always, and that is its whole life: it waits on a pipe until nobody holds
//! the writing end any more. The kernel closes that end for whoever dies.

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

/// Dropped, what it keeps is removed.
/// The writing end of the pipe is open in this process and nowhere else. That is what "we are alive" means here.
pub struct Supervisor {
    pid: Pid,
    lifeline: Option<OwnedFd>,
}

impl Supervisor {
    /// To be started before the directories are made, with the signals blocked.
    /// Why a process and not only Drop? Drop runs when an error is passed up or all is done, but neither
    /// SIGKILL nor the kernel's own killer waits for it. Why not clear up at the next start? Perhaps there is none.
    pub fn start(directories: &[PathBuf], remove: fn(&Path) -> io::Result<()>) -> Result<Self> {
        let (reader, writer) = pipe2(nix::fcntl::OFlag::O_CLOEXEC).context("pipe2")?;
        // SAFETY: this process has one thread, so the child finds no lock held.
        match unsafe { fork() }.context("fork")? {
            ForkResult::Parent { child } => Ok(Self { pid: child, lifeline: Some(writer) }),
            ForkResult::Child => {
                // Out of reach of what the terminal sends.
                let _ = setsid();
                // Nothing but the pipe stays open: a writing end that we held would keep a supervisor waiting for ever, be
                // it this one or the one before.
                let _ = dup2_stdin(&reader);
                // SAFETY: by number; and this process never gets to drop the values that own some of them.
                unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) };
                let _ = io::stdin().read(&mut [0]);
                directories.iter().for_each(|directory| clear(directory, remove));
                // Not by return: our caller's Drops are the parent's to run.
                std::process::exit(0)
            }
        }
    }
}

/// As often as it takes, for ten seconds: after a kill -9 the container's processes are only just dying.
/// By then nobody may be there to read an error, and so it is tried again where another program would give up.
fn clear(directory: &Path, remove: fn(&Path) -> io::Result<()>) {
    for _ in 0..10_000 {
        match remove(directory) {
            Ok(()) => return report::trace(format!("removed {}", directory.display())),
            // Never made.
            Err(error) if error.kind() == ErrorKind::NotFound => return,
            // Most often EBUSY: the kernel frees a dead process's memory before it takes it off the list.
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
    report::say(format_args!("error: {} could not be removed", directory.display()));
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // The end of file is the order to begin; the wait makes sure that all is gone when our prompt is back.
        drop(self.lifeline.take());
        let _ = waitpid(self.pid, None);
    }
}
