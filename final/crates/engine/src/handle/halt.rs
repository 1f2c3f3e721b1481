//! Telling an init to end the system: by a command in the container, for an init that has no signal for that, and only
//! when the init listens.

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

/// The longest time that the command may take. It only sends a message to the init.
const ANSWER: Duration = Duration::from_secs(5);

/// The numbers of `rt_sigtimedwait`: on this architecture, and for 32-bit programs with 32-bit and with 64-bit times.
const AWAIT_SIGNALS: [i64; 3] = [nix::libc::SYS_rt_sigtimedwait, 177, 421];

/// Whether the first process handles the signal, has blocked it to read it later, or waits for signals. Otherwise the
/// signal would be lost: the first process of a pid namespace has no default actions for signals (pid_namespaces(7)).
///
/// systemd blocks the signal. busybox waits for it in sigtimedwait(2), during which the kernel shows it as not blocked.
pub(super) fn hears(state: &State, signal: i32) -> bool {
    let Some(init) = &state.init else { return false };
    // The files of an init that has ended cannot be read. The caller notices its end by its pidfd.
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", init.pid));
    if has_in_masks(&read("status").unwrap_or_default(), signal) {
        return true;
    }
    // If the kernel lets nobody read this file (Yama's strictest mode), the signal is sent at once.
    read("syscall").map_or(true, |call| awaits_signals(&call))
}

fn has_in_masks(status: &str, signal: i32) -> bool {
    let masks =
        status.lines().filter_map(|line| line.strip_prefix("SigBlk:").or(line.strip_prefix("SigCgt:")));
    let has =
        |mask: &str| u64::from_str_radix(mask.trim(), 16).is_ok_and(|mask| mask >> (signal - 1) & 1 == 1);
    masks.into_iter().any(has)
}

/// The file starts with the number of the system call in which the process sleeps, or says `running`.
fn awaits_signals(call: &str) -> bool {
    let number = call.split_whitespace().next().and_then(|number| number.parse().ok());
    number.is_some_and(|number: i64| AWAIT_SIGNALS.contains(&number))
}

/// Runs the command as the container's root. It may take [`ANSWER`], or the time that is left until the container is
/// killed if that is less. Its output is dropped.
pub(super) fn run(engine: &Engine, id: &str, command: &[String], left: Option<Duration>) -> Result<()> {
    let limit = left.map_or(ANSWER, |left| left.min(ANSWER));
    let record = Record::load(engine.root(), id)?;
    let what = format!("run {:?} in container {}", command.join(" "), record.name);
    // In a child, because the calling process must not become the parent of a process in a container.
    match in_child(&what, || enter(engine, &record, command, limit).map(|()| String::new()))? {
        Ok(_) => Ok(()),
        Err(report) => Err(report.into()),
    }
}

fn enter(engine: &Engine, record: &Record, command: &[String], limit: Duration) -> Result<()> {
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
    let has_ended = hull_sys::wait::until_readable(&running.pidfd, Some(limit));
    if !has_ended.context(|| "wait for the command".into())? {
        process::pidfd_send_signal(running.pidfd.as_fd(), nix::libc::SIGKILL)
            .context(|| "end the command".into())?;
    }
    process::reap(running.pidfd.as_fd()).context(|| "read the command's exit status".into())?;
    entry.leave();
    Ok(())
}

fn null() -> Result<OwnedFd> {
    rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .context(|| "open /dev/null".into())
}

#[test]
fn a_signal_is_heard_that_is_blocked_or_handled_or_awaited() {
    let status = "SigPnd:\tffffffffffffffff\nSigBlk:\t0000000000000200\nSigIgn:\tffffffffffffffff\nSigCgt:\t8000000000000001\n";
    let heard = (1..=64).filter(|signal| has_in_masks(status, *signal)).collect::<Vec<_>>();
    assert_eq!(heard, [1, 10, 64]);
    let number = nix::libc::SYS_rt_sigtimedwait;
    assert!(awaits_signals(&format!("{number} 0x7ffd 0x7ffe 0x0 0x8 0x0 0x0 0x7ffd 0x45\n")));
    for other in ["running\n", "", "0 0x0 0x1\n", "-1 0x7ffd 0x45\n"] {
        assert!(!awaits_signals(other), "{other}");
    }
}
