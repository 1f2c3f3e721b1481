//! The process that makes one health check: a child of the monitor, forked and not executed.
//!
//! It starts the check's program as `exec` does, with /dev/null and a pipe, and stays its parent. So the monitor needs no
//! memory for a check, and nothing that the program does can hold up the monitor. It ends the program when the time is
//! over, and when the monitor closes the connection or dies.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use hull_runtime::Stdio;
use hull_sys::process;
use rustix::io::Errno;
use rustix::pipe::PipeFlags;

use super::detach::detach;
use super::lifeline::Monitor;
use super::stdio;
use crate::engine::Engine;
use crate::error::{IoContext, Result};
use crate::events::{Event, emit_all};
use crate::handle::enter::Entry;
use crate::records::exec_instance::Identity;
use crate::records::health::{Check, CheckResult, Health, HealthStatus};
use crate::records::options::ExecOptions;
use crate::records::record::Record;
use crate::records::snapshot::Snapshot;
use crate::records::state::Status;
use crate::records::time::Timestamp;

/// How much of the output docker keeps, in bytes.
const OUTPUT: usize = 4096;

/// The most that is read after the program's end: what a pipe holds by default (pipe(7)).
const LAST_OUTPUT: usize = 64 * 1024;

/// Exit codes of the child without a verdict: the container was paused or has ended; the result could not be written.
const NO_RESULT: u8 = 0;
const NOT_RECORDED: u8 = 1;

/// Whether the child had no time to end its program.
pub(super) fn was_killed(code: u8) -> bool {
    Verdict::from_code(code).is_none() && code != NO_RESULT && code != NOT_RECORDED
}

/// The exit code of a program that SIGKILL has ended.
const KILLED: u8 = 128 + 9;

/// How long a killed program may take to end.
const DEATH: Duration = Duration::from_secs(2);

/// The exit code of a child whose program did not start in time, or does not end. It is that of SIGALRM.
pub(super) const OVERDUE: u8 = 128 + 14;

/// What the monitor learns of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The container's status, with this check counted.
    pub status: HealthStatus,
    pub succeeded: bool,
}

impl Verdict {
    /// Above the codes of a process that failed in another way.
    const FIRST_CODE: u8 = 64;

    const ALL: [Self; 4] = [
        Self { status: HealthStatus::Healthy, succeeded: true },
        Self { status: HealthStatus::Starting, succeeded: false },
        Self { status: HealthStatus::Healthy, succeeded: false },
        Self { status: HealthStatus::Unhealthy, succeeded: false },
    ];

    fn code(self) -> u8 {
        let index = Self::ALL.iter().position(|one| *one == self).unwrap_or(0);
        Self::FIRST_CODE + u8::try_from(index).unwrap_or(0)
    }

    /// `None` if the check was not made.
    pub(super) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code.checked_sub(Self::FIRST_CODE)?)).copied()
    }
}

/// What a child is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    Check,
    /// To record that the check before was overdue.
    RecordTimeout,
}

/// Everything after the fork.
pub(super) fn run(engine: &Engine, id: &str, check: &Check, monitor: &Monitor, task: Task) -> ! {
    let made = detach(&[monitor.as_fd()]).and_then(|()| make(engine, id, check, monitor, task));
    let code = match made {
        Ok(Some(verdict)) => verdict.code(),
        Ok(None) => NO_RESULT,
        Err(_) => NOT_RECORDED,
    };
    process::exit_now(code.into())
}

/// Makes the check and records its result. `None` if the container is paused, or ends meanwhile.
fn make(engine: &Engine, id: &str, check: &Check, monitor: &Monitor, task: Task) -> Result<Option<Verdict>> {
    let root = engine.root();
    let record = Record::load(root, id)?;
    let recorded = version(engine, id);
    let snapshot = Snapshot::take(root, id)?;
    if snapshot.status != Status::Running {
        return Ok(None);
    }
    let start = Timestamp::now();
    let ended = match task {
        Task::Check => probe(engine, &record, &snapshot, check, monitor),
        Task::RecordTimeout => Ok(Ended::TimedOut { output: Output::default() }),
    };
    let end = Timestamp::now();
    let (exit_code, output) = match ended {
        Ok(Ended::Cancelled) => return Ok(None),
        Ok(Ended::Exited { code, output }) => (code.into(), output.text()),
        Ok(Ended::TimedOut { output }) => (-1, timed_out(check.timeout, &output)),
        // docker's result of a check that cannot be started.
        Err(error) => (-1, error.to_string()),
    };
    // A program that was frozen meanwhile tells nothing, nor does one of a container that has ended.
    if version(engine, id) != recorded || is_cancelled(monitor)? {
        return Ok(None);
    }
    let mut health = Health::load(root, id, snapshot.state.and_then(|state| state.started))?;
    let before = health.status;
    health.add(check, CheckResult { start, end, exit_code, output });
    health.store(root, id)?;
    if health.status != before {
        Event::container(&record, format!("health_status: {}", health.status.as_str())).emit(engine);
    }
    Ok(Some(Verdict { status: health.status, succeeded: exit_code == 0 }))
}

/// The state file is replaced when the container is paused, resumed or started.
fn version(engine: &Engine, id: &str) -> Option<(u64, i64, i64)> {
    let file = std::fs::metadata(engine.root().container_run_dir(id).join("state.json")).ok()?;
    Some((file.ino(), file.ctime(), file.ctime_nsec()))
}

fn is_cancelled(monitor: &Monitor) -> Result<bool> {
    hull_sys::wait::until_readable(monitor, Some(Duration::ZERO)).context(|| "look at the monitor".into())
}

enum Ended {
    Exited { code: u8, output: Output },
    TimedOut { output: Output },
    Cancelled,
}

/// Runs the check's program to its end.
fn probe(
    engine: &Engine,
    record: &Record,
    snapshot: &Snapshot,
    check: &Check,
    monitor: &Monitor,
) -> Result<Ended> {
    let deadline = Instant::now().checked_add(check.timeout);
    let options = ExecOptions { command: check.command.clone(), ..ExecOptions::default() };
    let entry = Entry::prepare(engine, record, snapshot, &options, Identity::new()?)?;
    let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).context(|| "create a pipe".into())?;
    rustix::io::ioctl_fionbio(&read, true).context(|| "make a pipe non-blocking".into())?;
    let stdout = write.try_clone().context(|| "copy a descriptor".into())?;
    let fds = Stdio::Fds { stdin: Some(stdio::null()?), stdout: Some(stdout), stderr: Some(write) };
    // docker's events of an exec.
    let event = |action: String| Event::container(record, action).with("execID", &entry.instance().id);
    let begun = |action: &str| event(format!("{action}: {}", check.command.join(" ")));
    emit_all(engine, [begun("exec_create"), begun("exec_start")]);
    // The start waits for a process that looks up the program in the container, where a file system may never answer. This
    // process then dies of the signal, and the monitor kills the one that hangs.
    let seconds = check.timeout.as_secs().saturating_add(2);
    nix::unistd::alarm::set(u32::try_from(seconds).unwrap_or(u32::MAX));
    let started = entry.start(fds);
    nix::unistd::alarm::cancel();
    let ended = started.and_then(|(running, _)| {
        monitor.tell(running.pid);
        let ended = attend(running.pidfd.as_fd(), read, deadline, monitor)?;
        let code = process::reap(running.pidfd.as_fd()).context(|| "read the check's exit status".into())?;
        event("exec_die".into()).with("exitCode", code).emit(engine);
        Ok(match ended {
            // The kernel has killed it, because the container's first process ends (pid_namespaces(7)).
            Attended::ToItsEnd(_) if code == KILLED && entry.has_ended() => Ended::Cancelled,
            Attended::ToItsEnd(output) => Ended::Exited { code, output },
            Attended::TooLong(output) => Ended::TimedOut { output },
            Attended::Cancelled => Ended::Cancelled,
        })
    });
    entry.leave();
    ended
}

enum Attended {
    ToItsEnd(Output),
    TooLong(Output),
    Cancelled,
}

/// Reads the program's output until it has ended, by itself or killed. It is still to be reaped.
fn attend(
    program: BorrowedFd<'_>,
    pipe: OwnedFd,
    mut deadline: Option<Instant>,
    monitor: &Monitor,
) -> Result<Attended> {
    let (mut output, mut pipe) = (Output::default(), Some(pipe));
    let (mut is_late, mut is_cancelled) = (false, false);
    let kill = || process::pidfd_send_signal(program, nix::libc::SIGKILL).context(|| "end the check".into());
    loop {
        let cancellation = (!is_cancelled).then(|| monitor.as_fd());
        let fds = [Some(program), pipe.as_ref().map(AsFd::as_fd), cancellation];
        let fds: Vec<_> = fds.into_iter().flatten().collect();
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let wait = || "wait for the check".to_owned();
        hull_sys::wait::until_any_readable(&fds, left).context(wait)?;
        if hull_sys::wait::until_readable(program, Some(Duration::ZERO)).context(wait)? {
            break;
        }
        output.read(&mut pipe);
        if !is_cancelled && self::is_cancelled(monitor)? {
            is_cancelled = true;
            kill()?;
        }
        if deadline.is_some_and(|at| Instant::now() >= at) {
            if is_late {
                // It is frozen, or in the kernel. The monitor waits for its end.
                process::exit_now(OVERDUE.into());
            }
            (is_late, deadline) = (true, Instant::now().checked_add(DEATH));
            kill()?;
        }
    }
    // A process that the program has left behind may hold the pipe, so its end is not waited for.
    for _ in 0..LAST_OUTPUT / Output::PIECE {
        if !output.read(&mut pipe) {
            break;
        }
    }
    Ok(match (is_cancelled, is_late) {
        (true, _) => Attended::Cancelled,
        (_, true) => Attended::TooLong(output),
        _ => Attended::ToItsEnd(output),
    })
}

/// docker's sentence.
fn timed_out(timeout: Duration, output: &Output) -> String {
    let timeout = hull_docker::time::print_duration(timeout);
    match output.kept.is_empty() {
        true => format!("Health check exceeded timeout ({timeout})"),
        false => format!("Health check exceeded timeout ({timeout}): {}", output.text()),
    }
}

/// The beginning of the program's output. The rest is read and forgotten.
#[derive(Debug, Default)]
struct Output {
    kept: Vec<u8>,
    is_cut: bool,
}

impl Output {
    const PIECE: usize = 16 * 1024;

    /// Reads once. False if there was nothing.
    fn read(&mut self, pipe: &mut Option<OwnedFd>) -> bool {
        let Some(fd) = pipe else { return false };
        let mut piece = [0; Self::PIECE];
        match rustix::io::read(fd, &mut piece) {
            Ok(0) => {
                *pipe = None;
                false
            }
            Ok(length) => {
                let kept = length.min(OUTPUT - self.kept.len());
                self.kept.extend_from_slice(&piece[..kept]);
                self.is_cut |= kept < length;
                true
            }
            Err(Errno::AGAIN | Errno::INTR) => false,
            Err(_) => {
                *pipe = None;
                false
            }
        }
    }

    /// docker marks output that is cut by three dots.
    fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.kept);
        if self.is_cut { format!("{text}...") } else { text.into_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_survives_as_an_exit_code() {
        for verdict in Verdict::ALL {
            assert_eq!(Verdict::from_code(verdict.code()), Some(verdict));
        }
        for other in [0, 1, 63, 68, 137, 255] {
            assert_eq!(Verdict::from_code(other), None);
        }
    }

    #[test]
    fn output_is_cut_as_docker_cuts_it() {
        let (read, write) = rustix::pipe::pipe().unwrap();
        rustix::io::write(&write, &[b'x'; 5000]).unwrap();
        drop(write);
        let (mut output, mut pipe) = (Output::default(), Some(read));
        while output.read(&mut pipe) {}
        assert!(pipe.is_none());
        assert_eq!(output.text(), "x".repeat(4096) + "...");
        assert_eq!(
            timed_out(Duration::from_millis(1500), &Output::default()),
            "Health check exceeded timeout (1.5s)"
        );
    }
}
