//! `--init`: a PID 1 that reaps orphans, forwards signals to the user's program and exits with its exit code.
//!
//! Without it the user's program is PID 1 itself: the kernel does not deliver signals for which it has no handler
//! (pid_namespaces(7)), and orphans become zombies that it does not reap.
//!
//! This init is hull's own program, executed again as `hull-init -- PROGRAM ARG…`. A fork without execve(2) would show
//! the caller's command line, environment and memory to other processes in the container.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use hull_sys::process::{self, Fork};
use nix::libc;
use nix::sys::signal::SigSet;
use nix::unistd::Pid;
use rustix::process::WaitOptions;

use crate::error::{Result, Step};
use crate::privileges::PendingFilter;
use crate::program::{Executable, c_strings, find, reset_signals};
use crate::protocol::{Channel, Message};
use crate::spec::Process;

const NAME: &str = "hull-init";

/// The descriptor number of the channel over which it reports an execve(2) that fails.
const CHANNEL: i32 = 3;

/// Opens hull's own program file, which has no path any more once the root has changed.
pub(super) fn open_own_program() -> Result<OwnedFd> {
    let path = rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC;
    let own = rustix::fs::open("/proc/self/exe", path, rustix::fs::Mode::empty());
    // A number above the channel's.
    own.and_then(|own| rustix::io::fcntl_dupfd_cloexec(own, CHANNEL + 1))
        .step(|| "open hull's own program".into())
}

/// Executes `own` as the init of `user_process`.
pub(super) fn start(
    own: &OwnedFd,
    user_process: &Process,
    filter: &PendingFilter<'_>,
    channel: &Channel,
) -> Result<Infallible> {
    reset_signals()?;
    let args = [&[NAME.to_owned(), "--".to_owned()], user_process.args.as_slice()].concat();
    let (args, env) = (c_strings(&args)?, c_strings(&user_process.env)?);
    process::place_fd(channel.as_fd(), CHANNEL).step(|| "pass the channel on".into())?;
    filter.load()?;
    let flags = nix::fcntl::AtFlags::AT_EMPTY_PATH;
    nix::unistd::execveat(own, c"", &args, &env, flags)
        .step(|| "execute hull's own program as the container's init".into())
}

/// If this program was executed as a container's init, does that job and does not return. Called at the start of `main`.
pub fn serve_as_init() {
    let mut args = std::env::args_os();
    if args.next().as_deref() != Some(OsStr::new(NAME)) || args.next().as_deref() != Some(OsStr::new("--")) {
        return;
    }
    // They come from config.json, which is UTF-8.
    let args = args.map(|arg| arg.to_string_lossy().into_owned()).collect();
    let env = std::env::vars_os();
    let env = env.map(|(name, value)| format!("{}={}", name.to_string_lossy(), value.to_string_lossy()));
    let user_process = Process { args, env: env.collect(), cwd: PathBuf::from("."), ..Process::default() };
    // Without the channel it was not hull that executed this program, and there is nobody to report to.
    let Ok(channel) = process::take_inherited_fd(CHANNEL) else { process::exit_now(1) };
    run(&user_process, Channel::from(channel))
}

/// Runs the program as a child. Exits with its exit code, or 128 and the number of the signal that ended it.
fn run(user_process: &Process, channel: Channel) -> ! {
    match start_program(user_process) {
        Ok(Started { signals, pid, child }) => {
            // The parent waits for the end of file, and this copy of the channel would keep it open.
            drop(channel);
            serve(&signals, pid, &child)
        }
        Err(error) => {
            let _ = channel.send(&Message::Failed(error));
            process::exit_now(1)
        }
    }
}

struct Started {
    signals: SigSet,
    pid: i32,
    child: OwnedFd,
}

fn start_program(user_process: &Process) -> Result<Started> {
    // A program that is executed by descriptor would otherwise be named after the descriptor's number.
    rustix::thread::set_name(c"hull-init").step(|| format!("take the name {NAME}"))?;
    // Blocked before the fork, so that no signal is lost in between; the child unblocks them.
    let signals = SigSet::all();
    signals.thread_block().step(|| "block the signals".into())?;
    match process::fork().step(|| "fork the program".into())? {
        Fork::Child => {
            // Its own process group in the foreground of the terminal, as a shell makes it for a job.
            nix::unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0))
                .step(|| "start a process group".into())?;
            let _ = rustix::termios::tcsetpgrp(rustix::stdio::stdin(), rustix::process::getpid());
            let program = find(user_process)?;
            match Executable::prepare(program, user_process, 0)?.execute()? {}
        }
        Fork::Parent { pid } => {
            let child = process::pidfd_open(pid).step(|| "watch the program".into())?;
            Ok(Started { signals, pid, child })
        }
    }
}

fn serve(signals: &SigSet, pid: i32, child: &OwnedFd) -> ! {
    loop {
        match process::wait_for_signal(signals) {
            Ok(libc::SIGCHLD) => reap(pid),
            // The signal fails if the program has just ended; its SIGCHLD comes next.
            Ok(signal) => drop(process::pidfd_send_signal(child.as_fd(), signal)),
            // Interrupted, for example by a debugger.
            Err(_) => {}
        }
    }
}

/// One SIGCHLD can stand for many children (signal(7)).
fn reap(program: i32) {
    while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
        let signal = status.terminating_signal().map(|signal| 128 + signal);
        if let (true, Some(code)) = (pid.as_raw_nonzero().get() == program, status.exit_status().or(signal)) {
            process::exit_now(code)
        }
    }
}
