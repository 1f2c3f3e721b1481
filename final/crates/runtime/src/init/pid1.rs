//! `--init`: a PID 1 that reaps orphans, forwards signals and passes the exit code on.
//!
//! Without it the user's program is PID 1: the kernel sends it no signal it has no handler for (pid_namespaces(7)),
//! and orphans become its zombies.

use std::convert::Infallible;
use std::ffi::CString;

use hull_sys::process::{self, Fork};
use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::program::execute;
use crate::error::{Result, Step};
use crate::spec::Process;

/// Runs the program as a child. Exits with its exit code, or 128 and the number of the signal that ended it.
pub(super) fn run(program: &CString, user_process: &Process) -> Result<Infallible> {
    // Blocked before the fork, so that no signal is lost in between; the child unblocks them.
    let signals = SigSet::all();
    signals.thread_block().step(|| "block the signals".into())?;
    match process::fork().step(|| "fork the program".into())? {
        Fork::Child => {
            // A job of its own in the foreground of the terminal, as a shell would make it.
            nix::unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0))
                .step(|| "start a process group".into())?;
            let _ = nix::unistd::tcsetpgrp(rustix::stdio::stdin(), nix::unistd::getpid());
            execute(program, user_process, 0)
        }
        Fork::Parent { pid } => {
            // Our copy of the channel would keep the parent waiting for the end of file.
            process::close_range(3, u32::MAX).step(|| "close inherited descriptors".into())?;
            serve(&signals, Pid::from_raw(pid))
        }
    }
}

fn serve(signals: &SigSet, child: Pid) -> ! {
    loop {
        match signals.wait() {
            Ok(Signal::SIGCHLD) => reap(child),
            Ok(signal) => {
                // The child may have ended a moment ago: it is reaped next.
                let _ = nix::sys::signal::kill(child, signal);
            }
            // A real-time signal, for which nix has no name.
            Err(_) => {}
        }
    }
}

/// One SIGCHLD can stand for many children (signal(7)).
fn reap(child: Pid) {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) if pid == child => process::exit_now(code),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => {
                process::exit_now(128 + signal as libc::c_int)
            }
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return,
            Ok(_) | Err(_) => {}
        }
    }
}
