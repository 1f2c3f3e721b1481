//! Process 1 of a PID namespace, and what the kernel expects of it.
//!
//! Process 1 is special (pid_namespaces(7)). A process whose parent has ended becomes its child,
//! and it has to wait for such children, or they stay as zombies. A signal without a handler is not
//! delivered to it, so it has to read signals and forward them. When it ends, the kernel kills
//! every other process of the namespace, so nothing of the container is left running.
//!
//! The parent outside forwards signals and waits for its child, too. It uses the same loop.

// For fork, and for a system call that nix does not wrap.
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

/// The search path for programs. The host's PATH would name directories of the host.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Blocks all signals. They are queued, and read from a descriptor.
pub fn block_signals() -> Result<SignalFd> {
    // SIGKILL and SIGSTOP cannot be blocked. A handler is an alternative, but it may call only a few
    // functions (signal-safety(7)). A descriptor is read when the program is ready for it.
    let all = SigSet::all();
    all.thread_block().context("sigprocmask(SIG_BLOCK, all)")?;
    SignalFd::with_flags(&all, SfdFlags::SFD_CLOEXEC).context("signalfd")
}

/// Runs the user's program as a child, forwards signals to it and waits for it and for every
/// orphan, until it ends.
pub fn run(command: &[String]) -> Result<ExitCode> {
    close_inherited()?;
    // Block them before the fork, so that the SIGCHLD of a child that ends at once is not lost.
    let signals = block_signals()?;
    // SAFETY: this process has one thread, so no lock is held in the child.
    match unsafe { fork() }.context("fork")? {
        ForkResult::Child => execute(command),
        ForkResult::Parent { child } => {
            report::trace(format!("fork() = {child}, and I am {}", nix::unistd::getpid()));
            serve(&signals, child)
        }
    }
}

/// Closes every descriptor except for stdin, stdout and stderr. An open directory leads out of any
/// root: if descriptor 9 is a directory of the host, `ls /proc/self/fd/9/` lists it inside. The
/// descriptors of process 1 count too, because the program can look into /proc/1/fd. In 2024
/// containers could leave runc in this way (CVE-2024-21626): a descriptor of the host's cgroup tree
/// was left open, and the working directory /proc/self/fd/7 led to it.
fn close_inherited() -> Result<()> {
    // SAFETY: closes descriptors by number; no value owns one of them at this point.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) };
    Errno::result(closed).context("close_range(3, max)")?;
    report::trace("close_range(3, max)");
    Ok(())
}

/// In the child: becomes the program, in a clean environment. The variables of the host can hold
/// secrets, and its PATH names directories that are not here.
fn execute(command: &[String]) -> Result<ExitCode> {
    // `enter` needs this. Its child is not a child of process 1, and has to end with its parent.
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).context("prctl(PR_SET_PDEATHSIG)")?;
    report::trace(format!("execve({command:?})"));
    let mut program = Command::new(&command[0]);
    program.args(&command[1..]).env_clear().env("PATH", PATH).env("HOME", "/root");
    // TERM is kept, because the program uses the same terminal.
    program.envs(std::env::var_os("TERM").map(|term| ("TERM", term)));
    // Blocked signals stay blocked in an execve, and programs expect that none are.
    SigSet::empty().thread_set_mask().context("sigprocmask(SIG_SETMASK, none)")?;
    // exec returns only if it failed.
    Ok(report::no_program(&command[0], program.exec()))
}

/// Forwards signals to `child` and reaps processes until it ends. Returns its exit code, or 128
/// plus the number of the signal that ended it.
pub fn serve(signals: &SignalFd, child: Pid) -> Result<ExitCode> {
    loop {
        let Some(info) = signals.read_signal().context("read(signalfd)")? else { continue };
        // nix has no names for real-time signals.
        let Ok(signal) = Signal::try_from(info.ssi_signo as i32) else { continue };
        // A positive si_code means that the kernel sent the signal (sigaction(2)). ^C is such a
        // signal. The terminal sends it to its whole foreground group, so the program has it already,
        // and must not get it twice. Signals from other processes have a code of 0 or less.
        let is_from_kernel = info.ssi_code > 0;
        match signal {
            Signal::SIGCHLD => {
                if let Some(code) = reap(child)? {
                    return Ok(ExitCode::from(code));
                }
            }
            // ^Z has stopped the program. Stop too, so that the shell gets the terminal back.
            // (Process 1 does not get this signal from its own namespace.)
            Signal::SIGTSTP if is_from_kernel => raise(Signal::SIGSTOP).context("raise(SIGSTOP)")?,
            _ if is_from_kernel => {}
            signal => {
                report::trace(format!("kill({child}, {signal})"));
                // An error means that the child has just ended. It is reaped next.
                let _ = kill(child, signal);
            }
        }
    }
}

/// Waits for every process that has ended: one SIGCHLD can stand for several children (signal(7)).
/// An ended process stays as a zombie, which is a pid and an exit code, until its parent waits for
/// it. If process 1 does not wait, the pids run out, or the limit of processes is reached (step 3).
pub fn reap(child: Pid) -> Result<Option<u8>> {
    loop {
        let status = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return Ok(None),
            status => status.context("waitpid(any)")?,
        };
        let whose = if status.pid() == Some(child) { "" } else { "   an orphan" };
        report::trace(format!("waitpid(any) = {status:?}{whose}"));
        match status {
            // An exit code has eight bits. By convention of the shells, a death by signal is a code
            // above 128.
            WaitStatus::Exited(pid, code) if pid == child => return Ok(Some(code as u8)),
            WaitStatus::Signaled(pid, signal, _) if pid == child => return Ok(Some(128 + signal as u8)),
            _ => {}
        }
    }
}
