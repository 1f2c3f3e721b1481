//! Tells an init to end the system: by a command inside, where it has no signal for that, and not before it listens.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use hull_runtime::Stdio;
use hull_sys::process;
use rustix::fs::{Mode, OFlags};

use crate::child::in_child;
use crate::engine::Engine;
use crate::error::{IoContext, Result};
use crate::handle::enter::Entry;
use crate::records::exec_instance::Identity;
use crate::records::options::ExecOptions;
use crate::records::record::Record;
use crate::records::snapshot::Snapshot;
use crate::records::state::State;

/// How long the command may take, which only sends a message to the init.
const ANSWER: Duration = Duration::from_secs(5);

/// Whether the first process handles a signal, or has blocked it to read it later, or waits for signals. Another one is lost: the
/// kernel gives the first process of a pid namespace no default actions (pid_namespaces(7)).
pub(super) fn hears(state: &State, signal: i32) -> bool {
    let Some(init) = &state.init else { return false };
    // An init that has ended is noticed by its descriptor.
    let status = std::fs::read_to_string(format!("/proc/{}/status", init.pid)).unwrap_or_default();
    let masks =
        status.lines().filter_map(|line| line.strip_prefix("SigBlk:").or(line.strip_prefix("SigCgt:")));
    let has =
        |mask: &str| u64::from_str_radix(mask.trim(), 16).is_ok_and(|mask| mask >> (signal - 1) & 1 == 1);
    masks.into_iter().any(has) || waits_for_signals(init.pid)
}

/// Whether the process is in sigtimedwait(2), which takes the signals that it waits for out of the blocked ones meanwhile.
fn waits_for_signals(pid: i32) -> bool {
    let call = std::fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
    let number = call.split(' ').next().and_then(|number| number.parse().ok());
    number == Some(nix::libc::SYS_rt_sigtimedwait)
}

/// Runs the command as the container's root. It gets no longer than [`ANSWER`], and what it prints is not kept. False if the
/// init does not take it yet.
pub(super) fn run(engine: &Engine, id: &str, command: &[String]) -> Result<bool> {
    let record = Record::load(engine.root(), id)?;
    let what = format!("run {:?} in container {}", command.join(" "), record.name);
    // The caller may have to end many containers, and is not to become the parent of a process of one.
    match in_child(&what, || enter(engine, &record, command).map(|code| code.to_string()))? {
        Ok(code) => Ok(code == "0"),
        Err(report) => Err(report.into()),
    }
}

/// Returns the command's exit code.
fn enter(engine: &Engine, record: &Record, command: &[String]) -> Result<u8> {
    let snapshot = Snapshot::take(engine.root(), &record.id)?;
    let options = ExecOptions {
        command: command.to_vec(),
        user: Some("0".into()),
        working_dir: Some("/".into()),
        ..ExecOptions::default()
    };
    let entry = Entry::prepare(engine, record, &snapshot, &options, Identity::new()?)?;
    let stdio = Stdio::Fds { stdin: Some(null()?), stdout: Some(null()?), stderr: Some(null()?) };
    let (running, _) = entry.start(stdio)?;
    let has_ended = hull_sys::wait::until_readable(&running.pidfd, Some(ANSWER));
    if !has_ended.context(|| "wait for the command".into())? {
        process::pidfd_send_signal(running.pidfd.as_fd(), nix::libc::SIGKILL)
            .context(|| "end the command".into())?;
    }
    let code = process::reap(running.pidfd.as_fd()).context(|| "read the command's exit status".into())?;
    entry.leave();
    Ok(code)
}

fn null() -> Result<OwnedFd> {
    rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .context(|| "open /dev/null".into())
}
