//! The health checks of a container, as its monitor sees them: when the next one is due, and what follows from the last.
//!
//! A check is made by a child ([`checker`]), which also writes the result down. The monitor learns no more than the
//! child's exit code, so it stays small. There is one child at a time, and the next interval begins when it has ended.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use hull_sys::process::{self, Fork};

use super::checker::{self, Verdict};
use super::event_loop::{Container, EventLoop};
use super::lifeline::Lifeline;
use super::stop::Stop;
use super::timers::Timer;
use crate::attach::Message;
use crate::error::{IoContext, Result};
use crate::records::health::{Check, HealthStatus, OnFailure};
use crate::records::record::Record;

/// How long a child may take to end once its container has ended, or the container may no longer be checked.
const CANCELLATION: Duration = Duration::from_secs(2);

/// docker's time between the stop signal and SIGKILL.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// The exit code that tells a client that the check was not made.
pub(super) const NOT_CHECKED: u8 = 125;

/// The checks of a container that has any.
pub(super) struct Checks {
    check: Check,
    on_failure: OnFailure,
    stop_signal: u8,
    stop_timeout: Duration,
    began: Instant,
    status: HealthStatus,
    running: Option<Running>,
    /// Programs whose parent, the child that made the check, was killed. Until they are reaped the container's first
    /// process cannot end (pid_namespaces(7)).
    orphans: Vec<OwnedFd>,
}

/// The child that makes a check.
struct Running {
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
            status: HealthStatus::Starting,
            running: None,
            orphans: vec![],
        })
    }

    /// The time until the next check.
    fn interval(&self) -> Duration {
        match self.status == HealthStatus::Starting && self.began.elapsed() < self.check.start_period {
            true => self.check.start_interval,
            false => self.check.interval,
        }
    }

    /// The child to poll.
    pub(super) fn running(&self) -> Option<BorrowedFd<'_>> {
        self.running.as_ref().map(|running| running.pidfd.as_fd())
    }

    fn fork(&self, container: &Container) -> Result<Running> {
        let (lifeline, theirs) = Lifeline::pair()?;
        match process::fork().context(|| "fork a health check".into())? {
            Fork::Child => {
                drop(lifeline);
                checker::run(&container.engine, &container.id, &self.check, &theirs)
            }
            Fork::Parent { pid } => {
                let pidfd = process::pidfd_open(pid).context(|| format!("open process {pid}"))?;
                Ok(Running { pidfd, lifeline })
            }
        }
    }

    /// The programs of killed children, to poll.
    pub(super) fn orphans(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.orphans.iter().map(AsFd::as_fd)
    }

    /// Reaps the child. If it was killed, its program has become the monitor's own child (PR_SET_CHILD_SUBREAPER(2const)).
    fn reap(&mut self, running: &Running) -> Option<Verdict> {
        let code = process::reap(running.pidfd.as_fd()).ok();
        if code.is_none_or(checker::was_killed)
            && let Some(program) = running.lifeline.program()
        {
            let _ = process::pidfd_send_signal(program.as_fd(), nix::libc::SIGKILL);
            self.orphans.push(program);
        }
        code.and_then(Verdict::from_code)
    }
}

impl EventLoop {
    /// A run begins.
    pub(super) fn begin_checks(&mut self) {
        if let Some(checks) = &mut self.checks {
            checks.began = Instant::now();
            checks.status = HealthStatus::Starting;
            self.timers.set(Timer::Check, Some(checks.interval()));
        }
    }

    /// Begins a check unless one is running.
    pub(super) fn check_health(&mut self) {
        let (Some(checks), Some(container), true) =
            (&mut self.checks, &self.container, self.running.is_some())
        else {
            self.answer_checked(NOT_CHECKED);
            return;
        };
        if checks.running.is_some() {
            return;
        }
        self.timers.set(Timer::Check, None);
        match checks.fork(container) {
            Ok(running) => checks.running = Some(running),
            // There is no process or descriptor left for it. The next one may have more luck.
            Err(_) => self.end_check(None),
        }
    }

    /// The child has ended.
    pub(super) fn health_checked(&mut self) {
        let Some(checks) = &mut self.checks else { return };
        let verdict = checks.running.take().and_then(|running| checks.reap(&running));
        self.end_check(verdict);
    }

    /// A killed child's program has ended.
    pub(super) fn reap_orphans(&mut self) {
        let Some(checks) = &mut self.checks else { return };
        checks.orphans.retain(|orphan| {
            let has_ended = hull_sys::wait::until_readable(orphan, Some(Duration::ZERO)).unwrap_or(false);
            !(has_ended && process::reap(orphan.as_fd()).is_ok())
        });
    }

    fn end_check(&mut self, verdict: Option<Verdict>) {
        let Some(checks) = &mut self.checks else { return };
        let is_unhealthy = match verdict {
            Some(Verdict { status, .. }) => {
                checks.status = status;
                status == HealthStatus::Unhealthy
            }
            None => false,
        };
        self.timers.set(Timer::Check, Some(checks.interval()));
        let (action, signal, timeout) = (checks.on_failure, checks.stop_signal, checks.stop_timeout);
        self.answer_checked(verdict.map_or(NOT_CHECKED, |verdict| u8::from(!verdict.succeeded)));
        if is_unhealthy && !self.timers.is_set(Timer::Kill) {
            self.end_unhealthy(action, signal, timeout);
        }
    }

    fn end_unhealthy(&mut self, action: OnFailure, signal: u8, timeout: Duration) {
        match action {
            OnFailure::None => return,
            OnFailure::Kill => return self.signal(nix::libc::SIGKILL as u8),
            OnFailure::Stop => self.stop = Some(Stop::definite(false, true)),
            OnFailure::Restart => self.restart_wanted = true,
        }
        self.signal(signal);
        self.timers.set(Timer::Kill, Some(timeout));
    }

    fn answer_checked(&mut self, code: u8) {
        for client in self.clients.iter_mut().filter(|client| client.checks) {
            client.checks = false;
            // A client that does not read its answer is not waited for.
            let _ = client.connection.try_send(&Message::Exited(code));
        }
    }

    /// The run has ended. The child ends with it, before the next run begins or the container's files are removed.
    pub(super) fn end_checks(&mut self) {
        self.timers.set(Timer::Check, None);
        self.timers.set(Timer::Kill, None);
        let Some(checks) = &mut self.checks else { return };
        if let Some(mut running) = checks.running.take() {
            running.lifeline.cut();
            if !hull_sys::wait::until_readable(&running.pidfd, Some(CANCELLATION)).unwrap_or(false) {
                let _ = process::pidfd_send_signal(running.pidfd.as_fd(), nix::libc::SIGKILL);
            }
            checks.reap(&running);
        }
        self.reap_orphans();
        self.answer_checked(NOT_CHECKED);
    }
}
