//! Tells an init by a command inside to end the system, where it has no signal for that.

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

/// How long the command may take, which only sends a message to the init.
const ANSWER: Duration = Duration::from_secs(5);

/// Runs the command as the container's root. It gets no longer than [`ANSWER`], and what it prints is not kept.
pub(super) fn run(engine: &Engine, id: &str, command: &[String]) -> Result<()> {
    let record = Record::load(engine.root(), id)?;
    let what = format!("run {:?} in container {}", command.join(" "), record.name);
    // The caller may have to end many containers, and is not to become the parent of a process of one.
    match in_child(&what, || enter(engine, &record, command).map(|()| String::new()))? {
        Ok(_) => Ok(()),
        Err(report) => Err(report.into()),
    }
}

fn enter(engine: &Engine, record: &Record, command: &[String]) -> Result<()> {
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
    process::reap(running.pidfd.as_fd()).context(|| "read the command's exit status".into())?;
    entry.leave();
    Ok(())
}

fn null() -> Result<OwnedFd> {
    rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .context(|| "open /dev/null".into())
}
