//! The first process of a PID namespace, and what the kernel expects of it.
//!
//! Process 1 is not like the others (pid_namespaces(7)). Whoever loses its parent becomes its child, so it has to wait
//! for strangers, or their remains stay as zombies. A signal for which it has no handler is not delivered to it, so it
//! has to take them and pass them on. And when it ends, the kernel kills everything in the namespace: whatever the
//! program has started, nothing is left running.
//!
//! The outside does the same two jobs, forward and wait, for its one child, so it uses the same loop.

// fork, and a system call without a name in nix.
#![allow(unsafe_code)]

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, kill, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

use crate::report;

/// What is found without a path. The host's own would say where the host keeps its programs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// From here on no signal ends us; they queue up, to be read like a file.
pub fn block_signals() -> Result<SignalFd> {
    // All but SIGKILL and SIGSTOP, which nobody can block. Handlers would do as well, but what a handler may
    // call is a short list (signal-safety(7)); a descriptor is read when we are ready for it.
    let all = SigSet::all();
    all.thread_block().context("sigprocmask(SIG_BLOCK, all)")?;
    SignalFd::with_flags(&all, SfdFlags::SFD_CLOEXEC).context("signalfd")
}

/// Runs the user's program as a child and looks after it, and after every orphan, until it ends.
/// As a child, and not by execve in place of us: then the program itself would be process 1, would get no
/// signal that it has no handler for, and would have to reap strangers. Most programs know nothing of either.
/// (docker does it so all the same, unless told --init.)
pub fn run(command: &[String]) -> Result<ExitCode> {
    close_inherited()?;
    // Before the fork, or a child that ends at once would do so unnoticed.
    let signals = block_signals()?;
    // SAFETY: this process has one thread, so the child finds no lock held and may do what it likes.
    match unsafe { fork() }.context("fork")? {
        ForkResult::Child => execute(command),
        ForkResult::Parent { child } => {
            report::trace(format!("fork() = {child}, and I am {}", nix::unistd::getpid()));
            serve(&signals, child)
        }
    }
}

/// An open directory is a way around any root: what descriptor 9 was opened on outside, `/proc/self/fd/9/` lists inside.
/// So nothing but stdin, stdout and stderr stays open, here too: the program can look into /proc/1/fd.
/// That is how runc let containers out in 2024 (CVE-2024-21626): one descriptor of the host's cgroup tree was
/// left open, and a working directory of /proc/self/fd/7 led there.
fn close_inherited() -> Result<()> {
    // SAFETY: closes descriptors by number; at this point no value of ours owns one.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) };
    Errno::result(closed).context("close_range(3, max)")?;
    report::trace("close_range(3, max)");
    Ok(())
}

/// In the child: becomes the program, in a clean environment. The host's would leak, and its PATH lead nowhere.
fn execute(command: &[String]) -> Result<ExitCode> {
    // Of use to `enter`, whose child is not process 1's: it ends with the one who entered.
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).context("prctl(PR_SET_PDEATHSIG)")?;
    report::trace(format!("execve({command:?})"));
    let mut program = Command::new(&command[0]);
    program.args(&command[1..]).env_clear().env("PATH", PATH).env("HOME", "/root");
    // The one thing about the outside that the inside has to know: the terminal is the same.
    program.envs(std::env::var_os("TERM").map(|term| ("TERM", term)));
    // A program inherits over execve which signals are blocked. Nobody expects them to be.
    SigSet::empty().thread_set_mask().context("sigprocmask(SIG_SETMASK, none)")?;
    // Returns only if it failed.
    Ok(report::no_program(&command[0], program.exec()))
}

/// Forwards signals to `child` and reaps, until it ends. Its exit code, or 128 and the signal that ended it.
pub fn serve(signals: &SignalFd, child: Pid) -> Result<ExitCode> {
    loop {
        let Some(info) = signals.read_signal().context("read(signalfd)")? else { continue };
        // Real-time signals have no name here.
        let Ok(signal) = Signal::try_from(info.ssi_signo as i32) else { continue };
        // Positive codes are the kernel's (sigaction(2)). A ^C is one: the terminal sends it to its whole foreground,
        // of which the program is part, and to forward it would be to send it twice.
        // Everybody else's have a code of 0 or less: kill(1), or a service manager that is shutting down.
        let is_from_kernel = info.ssi_code > 0;
        match signal {
            Signal::SIGCHLD => {
                if let Some(code) = reap(child)? {
                    return Ok(ExitCode::from(code));
                }
            }
            // ^Z has stopped the program, so stop with it: that is what gives the shell its terminal back. To process 1
            // its own namespace cannot deliver this.
            Signal::SIGTSTP if is_from_kernel => raise(Signal::SIGSTOP).context("raise(SIGSTOP)")?,
            _ if is_from_kernel => {}
            signal => {
                report::trace(format!("kill({child}, {signal})"));
                // It may have ended a moment ago: then it is reaped next.
                let _ = kill(child, signal);
            }
        }
    }
}

/// Waits for all that have ended: one SIGCHLD can stand for many children (signal(7)).
/// What has ended stays as a zombie, a number and an exit code, until its parent has asked for it. Nobody else
/// can: so if process 1 does not, the numbers run out, or the limit of processes is reached (step 3).
fn reap(child: Pid) -> Result<Option<u8>> {
    loop {
        let status = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return Ok(None),
            status => status.context("waitpid(any)")?,
        };
        let whose = if status.pid() == Some(child) { "" } else { "   an orphan" };
        report::trace(format!("waitpid(any) = {status:?}{whose}"));
        match status {
            // An exit code has eight bits. What a shell makes of a death by signal is a number above 128, and
            // everybody has followed.
            WaitStatus::Exited(pid, code) if pid == child => return Ok(Some(code as u8)),
            WaitStatus::Signaled(pid, signal, _) if pid == child => return Ok(Some(128 + signal as u8)),
            _ => {}
        }
    }
}
