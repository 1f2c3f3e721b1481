//! What a monitor does about the health of its container: when the next check is due, and what follows from the last.
//!
//! A check is made by a child ([`super::checker`]), which also writes the result down. The monitor learns no more than
//! the child's exit code, so it stays small. There is one child at a time, and the next interval begins when it has ended.

use super::checker::Verdict;
use super::event_loop::EventLoop;
use super::stop::Stop;
use super::timers::Timer;
use crate::attach::Message;
use crate::records::health::HealthStatus;
use crate::records::options::OnFailure;

/// The exit code that tells a client that the check was not made.
const NOT_CHECKED: u8 = 125;

impl EventLoop {
    /// A run begins.
    pub(super) fn begin_checks(&mut self) {
        if let (Some(checks), Some(running)) = (&mut self.checks, &self.running) {
            checks.begin(running.pid);
            self.timers.set(Timer::Check, Some(checks.interval()));
        }
    }

    /// Begins a check unless one is running.
    pub(super) fn check_health(&mut self) {
        let (Some(checks), Some(container), true) =
            (&mut self.checks, &self.container, self.running.is_some())
        else {
            return self.answer_checked(NOT_CHECKED);
        };
        self.timers.set(Timer::Check, None);
        // If this fails, no process or descriptor is left for it. The next one may have more luck.
        if checks.start(&container.engine, &container.id).is_err() {
            self.follow_up(None);
        }
    }

    /// The child has ended.
    pub(super) fn health_checked(&mut self) {
        let (Some(checks), Some(container)) = (&mut self.checks, &self.container) else { return };
        let verdict = checks.ended();
        if checks.take_overdue() && checks.record_timeout(&container.engine, &container.id).is_ok() {
            return;
        }
        self.follow_up(verdict);
    }

    fn follow_up(&mut self, verdict: Option<Verdict>) {
        let Some(checks) = &self.checks else { return };
        self.timers.set(Timer::Check, Some(checks.interval()));
        let is_unhealthy = verdict.is_some_and(|verdict| verdict.status == HealthStatus::Unhealthy);
        // An earlier action is under way if the timer is set.
        if is_unhealthy && !self.timers.is_set(Timer::Kill) {
            self.end_unhealthy();
        }
        self.answer_checked(verdict.map_or(NOT_CHECKED, |verdict| u8::from(!verdict.succeeded)));
    }

    fn end_unhealthy(&mut self) {
        let Some(checks) = &self.checks else { return };
        let (signal, timeout) = (checks.stop_signal, checks.stop_timeout);
        match checks.on_failure {
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
        if let Some(checks) = &mut self.checks {
            checks.cancel();
        }
        self.answer_checked(NOT_CHECKED);
    }
}
