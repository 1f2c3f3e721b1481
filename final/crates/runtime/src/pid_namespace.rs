//! Entering a pid namespace in which other processes run already.
//!
//! Those processes see a new process from its first instant. With CAP_SYS_PTRACE or CAP_SYS_ADMIN they can use all that
//! it has: its root through /proc/PID/root, its namespaces through /proc/PID/ns, its descriptors, its memory and its
//! system calls. So a process outside the namespace does all the work: it joins the other namespaces, changes its root,
//! closes descriptors, becomes the user, drops capabilities and loads the seccomp filter. Only then it clones the process
//! inside, which has nothing that the container does not have anyway, and ends.
//!
//! ```text
//! parent ──▶ clone, outside ── all of the work ──▶ clone, inside ──▶ execve
//!    ▲                         Cloned, and ends         │
//!    └──────── the parent of both (CLONE_PARENT) ───────┘
//! ```

use std::os::fd::{AsFd, OwnedFd};

use hull_sys::process::{self, Fork, SingleThreaded};
use nix::libc;

use crate::console;
use crate::error::{CloneStep, Cloned, Error, Result, Step};
use crate::limits;
use crate::protocol::{Channel, Message};
use crate::security::seccomp::Call;
use crate::spec::Process;

/// The process inside, which is a child of the parent, and the master of its terminal if it has one.
pub(crate) struct ClonedInside {
    pub pid: i32,
    pub pidfd: OwnedFd,
    pub console: Option<OwnedFd>,
}

/// The system calls of [`clone_inside`], and of the process inside before its execve(2).
pub(crate) fn calls(process: &Process) -> Vec<Call> {
    let clone = Call { number: libc::SYS_clone, first: Some(process::FORK_SIBLING_FLAGS as u32) };
    let mut calls = vec![clone, Call::any(libc::SYS_setsid)];
    calls.extend([libc::SYS_sendmsg, libc::SYS_exit_group].map(Call::any));
    calls.extend(process.terminal.then_some(Call::any(libc::SYS_ioctl)));
    if limits::has_process_limit(process) {
        calls.push(Call::any(libc::SYS_prlimit64));
    }
    calls
}

/// [`calls`], and those of a process that waits to be started: it talks to its parent, or to the process that starts it.
pub(crate) fn calls_until_started(process: &Process) -> Vec<Call> {
    let more = [
        libc::SYS_prctl,
        libc::SYS_getpid,
        libc::SYS_recvmsg,
        libc::SYS_accept4,
        libc::SYS_close,
        libc::SYS_close_range,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
    ];
    calls(process).into_iter().chain(more.map(Call::any)).collect()
}

/// Called outside, when everything is prepared. Clones the process inside, and returns only in that one.
pub(crate) fn clone_inside(channel: &Channel, process: &Process, alone: SingleThreaded) -> Result<()> {
    // The clone copies this process's memory, and the container must not see the caller's environment in it.
    process::forget_environment(alone);
    match process::fork_sibling(alone).clone_step(Cloned::Inside)? {
        Fork::Child => {
            nix::unistd::setsid().step(|| "start a session".into())?;
            if process.terminal {
                console::control()?;
            }
            limits::set_process_limit(process)
        }
        Fork::Parent { pid } => {
            let sent = channel.send(&Message::Cloned(pid));
            process::exit_now(i32::from(sent.is_err()))
        }
    }
}

/// Called in the parent, with the pid and pidfd of the process outside. Messages of the process outside are trusted, and
/// it sends them before the process inside exists. The latter can be controlled by those that see it, so a pid is accepted
/// only if it is a child of this process, and no terminal is accepted from it.
pub(crate) fn await_clone(channel: &Channel, outside: (i32, OwnedFd)) -> Result<ClonedInside> {
    let (pid, pidfd) = outside;
    let result = receive_clone(channel, pid);
    process::reap(pidfd.as_fd()).step(|| "collect a child".into())?;
    result
}

fn receive_clone(channel: &Channel, outside: i32) -> Result<ClonedInside> {
    let mut console = None;
    loop {
        match channel.expect()? {
            Message::Console(master) if console.is_none() => console = Some(master),
            Message::Cloned(pid) if pid != outside && process::is_child(pid) => {
                // Its pid cannot be reused before this process reaps it.
                let pidfd = process::pidfd_open(pid).step(|| "watch the process".into())?;
                return Ok(ClonedInside { pid, pidfd, console });
            }
            _ => return Err(Error::InitDied),
        }
    }
}
