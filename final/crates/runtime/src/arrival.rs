//! The last step into a pid namespace in which other processes run already.
//!
//! The processes in there see a new one from its first instant, and with CAP_SYS_PTRACE or CAP_SYS_ADMIN they can use
//! all that it has: its root in /proc/PID/root, its namespaces in /proc/PID/ns, its descriptors, its memory, its system
//! calls.
//! So a process outside the namespace does all the work. It joins the other namespaces, changes its root, closes
//! descriptors, becomes the user, gives up capabilities, loads the filter, and only then clones the process inside,
//! which has nothing that the container does not have. Then it ends.
//!
//! ```text
//! parent ──▶ clone, outside ── all of the work ──▶ clone, inside ──▶ execve
//!    ▲                         Born, and ends           │
//!    └──────── the parent of both (CLONE_PARENT) ───────┘
//! ```

use std::os::fd::{AsFd, OwnedFd};

use hull_sys::process::{self, Fork, SingleThreaded};
use nix::libc;

use crate::console;
use crate::error::{Error, Result, Step};
use crate::init;
use crate::protocol::{Channel, Message};
use crate::security::seccomp::Call;
use crate::spec::Process;

/// A process inside, a child of ours, and its end of a terminal if it has one.
pub(crate) struct Arrived {
    pub pid: i32,
    pub pidfd: OwnedFd,
    pub console: Option<OwnedFd>,
}

/// The system calls that [`arrive`] makes, and the process inside before its execve(2).
pub(crate) fn calls(process: &Process) -> Vec<Call> {
    let clone = Call { number: libc::SYS_clone, first: Some(process::FORK_SIBLING_FLAGS as u32) };
    let mut calls = vec![clone, Call::any(libc::SYS_setsid)];
    calls.extend([libc::SYS_sendmsg, libc::SYS_exit_group].map(Call::any));
    calls.extend(process.terminal.then_some(Call::any(libc::SYS_ioctl)));
    if init::has_process_limit(process) {
        calls.push(Call::any(libc::SYS_prlimit64));
    }
    calls
}

/// The same for a process that is started later: until then it talks to its parent, or to the process that starts it.
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

/// Called outside, when all is prepared. Clones the process inside, and returns in that one.
pub(crate) fn arrive(channel: &Channel, process: &Process, alone: SingleThreaded) -> Result<()> {
    // The clone copies this process's memory, and the container must not see the caller's environment in it.
    process::forget_environment(alone);
    match process::fork_sibling(alone).step(|| "clone the process".into())? {
        Fork::Child => {
            nix::unistd::setsid().step(|| "start a session".into())?;
            if process.terminal {
                console::control()?;
            }
            init::set_process_limit(process)
        }
        Fork::Parent { pid } => {
            let told = channel.send(&Message::Born(pid));
            process::exit_now(i32::from(told.is_err()))
        }
    }
}

/// In the parent of `outside`. Messages of the process outside are trusted, and it sends them before the other exists.
/// The process inside can be controlled by those that see it, so a pid is accepted only if it is a child of ours, and
/// no terminal is taken from it.
pub(crate) fn await_arrival(channel: &Channel, outside: (i32, OwnedFd)) -> Result<Arrived> {
    let (helper, watched) = outside;
    let result = await_birth(channel, helper);
    process::reap(watched.as_fd()).step(|| "collect a child".into())?;
    result
}

fn await_birth(channel: &Channel, helper: i32) -> Result<Arrived> {
    let mut console = None;
    loop {
        match channel.expect()? {
            Message::Console(master) if console.is_none() => console = Some(master),
            Message::Born(pid) if pid != helper && process::is_child(pid) => {
                // Its pid cannot be reused before we reap it.
                let pidfd = process::pidfd_open(pid).step(|| "watch the process".into())?;
                return Ok(Arrived { pid, pidfd, console });
            }
            _ => return Err(Error::InitDied),
        }
    }
}
