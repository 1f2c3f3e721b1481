//! The state of a container's health checks in its monitor, and the child that makes the present one.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use hull_sys::process::{self, Fork};

use super::checker::{self, Task, Verdict};
use super::lifeline::Lifeline;
use super::orphans::Orphans;
use crate::engine::Engine;
use crate::error::{IoContext, Result};
use crate::records::health::{Check, HealthStatus};
use crate::records::options::OnFailure;
use crate::records::record::Record;

/// How long a child may take to end once its container has ended, or the container may no longer be checked.
const CANCELLATION: Duration = Duration::from_secs(2);

/// docker's time between the stop signal and SIGKILL.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// The checks of a container that has any.
pub(super) struct Checks {
    check: Check,
    pub on_failure: OnFailure,
    pub stop_signal: u8,
    pub stop_timeout: Duration,
    began: Instant,
    /// The container's first process.
    init: i32,
    status: HealthStatus,
    running: Option<Running>,
    pub orphans: Orphans,
    /// The last check did not even start in time.
    is_overdue: bool,
}

/// The child that makes a check.
struct Running {
    pid: i32,
    pidfd: OwnedFd,
    lifeline: Lifeline,
}

impl Checks {
    pub(super) fn of(record: &Record) -> Option<Self> {
        let check = Check::of(record)?;
        let stop_timeout = record.options.stop_timeout;
        Some(Self {
            check,
            on_failure: record.options.health_on_failure,
            stop_signal: u8::try_from(record.stop_signal).unwrap_or(nix::libc::SIGTERM as u8),
            stop_timeout: stop_timeout.map_or(STOP_TIMEOUT, |seconds| Duration::from_secs(seconds.into())),
            began: Instant::now(),
            init: 0,
            status: HealthStatus::Starting,
            running: None,
            orphans: Orphans::default(),
            is_overdue: false,
        })
    }

    /// A run begins.
    pub(super) fn begin(&mut self, init: i32) {
        self.init = init;
        self.began = Instant::now();
        self.status = HealthStatus::Starting;
    }

    /// The time until the next check.
    pub(super) fn interval(&self) -> Duration {
        match self.status == HealthStatus::Starting && self.began.elapsed() < self.check.start_period {
            true => self.check.start_interval,
            false => self.check.interval,
        }
    }

    /// The child to poll.
    pub(super) fn running(&self) -> Option<BorrowedFd<'_>> {
        self.running.as_ref().map(|running| running.pidfd.as_fd())
    }

    /// Begins a check unless one is running.
    pub(super) fn start(&mut self, engine: &Engine, id: &str) -> Result<()> {
        // What hangs must not add up, so there is no other check before it has died.
        let task = if self.orphans.is_empty() { Task::Check } else { Task::RecordTimeout };
        if self.running.is_none() {
            self.running = Some(self.fork(engine, id, task)?);
        }
        Ok(())
    }

    /// Whether the check that has ended is still to be recorded as one that took too long.
    pub(super) fn take_overdue(&mut self) -> bool {
        std::mem::take(&mut self.is_overdue)
    }

    /// Begins to record that.
    pub(super) fn record_timeout(&mut self, engine: &Engine, id: &str) -> Result<()> {
        self.running = Some(self.fork(engine, id, Task::RecordTimeout)?);
        Ok(())
    }

    fn fork(&self, engine: &Engine, id: &str, task: Task) -> Result<Running> {
        let (lifeline, theirs) = Lifeline::pair()?;
        match process::fork().context(|| "fork a health check".into())? {
            Fork::Child => {
                drop(lifeline);
                checker::run(engine, id, &self.check, &theirs, task)
            }
            Fork::Parent { pid } => {
                let pidfd = process::pidfd_open(pid).context(|| format!("open process {pid}"))?;
                Ok(Running { pid, pidfd, lifeline })
            }
        }
    }

    /// The child has ended. `None` if it has made no check.
    pub(super) fn ended(&mut self) -> Option<Verdict> {
        let running = self.running.take()?;
        let verdict = self.reap(&running)?;
        self.status = verdict.status;
        Some(verdict)
    }

    /// Ends the child without a result.
    pub(super) fn cancel(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.lifeline.cut();
            if !hull_sys::wait::until_readable(&running.pidfd, Some(CANCELLATION)).unwrap_or(false) {
                let _ = process::pidfd_send_signal(running.pidfd.as_fd(), nix::libc::SIGKILL);
            }
            self.reap(&running);
        }
        self.orphans.reap();
    }

    fn reap(&mut self, running: &Running) -> Option<Verdict> {
        let code = process::reap(running.pidfd.as_fd()).ok();
        if code.is_none_or(checker::was_killed) {
            self.orphans.adopt(self.init, running.pid, running.lifeline.program());
        }
        self.is_overdue = code == Some(checker::OVERDUE);
        code.and_then(Verdict::from_code)
    }
}
