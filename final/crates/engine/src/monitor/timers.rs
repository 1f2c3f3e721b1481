//! The event loop's deadlines, in one list. There are a handful, so the list is searched and not sorted.

use std::time::{Duration, Instant};

/// The actions of timers. Each is in the list at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timer {
    /// Accept connections again: there was no free descriptor for the last one.
    Accept,
    /// Read from a terminal that all processes inside have closed: one may have opened it again, which poll(2) does not
    /// report.
    Terminal,
    /// A deadline of the container's network.
    Network,
    /// Return freed memory to the kernel.
    ReturnMemory,
    /// Start the container again.
    Restart,
    /// Check the container's health.
    Check,
    /// Kill an unhealthy container that has not heeded the stop signal.
    Kill,
}

#[derive(Debug, Default)]
pub(super) struct Timers(Vec<(Timer, Instant)>);

impl Timers {
    /// Sets a timer, replacing an earlier setting of the same one. `None` cancels it.
    pub(super) fn set(&mut self, timer: Timer, after: Option<Duration>) {
        self.0.retain(|(other, _)| *other != timer);
        // A time that no clock reaches never comes.
        if let Some(at) = after.and_then(|after| Instant::now().checked_add(after)) {
            self.0.push((timer, at));
        }
    }

    pub(super) fn is_set(&self, timer: Timer) -> bool {
        self.0.iter().any(|(other, _)| *other == timer)
    }

    /// How long until the next one is due; `None` without any.
    pub(super) fn next(&self) -> Option<Duration> {
        let next = self.0.iter().map(|(_, at)| *at).min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    /// Takes one that is due out of the list.
    pub(super) fn take_due(&mut self) -> Option<Timer> {
        let now = Instant::now();
        let index = self.0.iter().position(|(_, at)| *at <= now)?;
        Some(self.0.swap_remove(index).0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Option<Duration> = Some(Duration::from_secs(3600));
    const NOW: Option<Duration> = Some(Duration::ZERO);

    #[test]
    fn a_timer_is_due_once_and_the_last_setting_counts() {
        let mut timers = Timers::default();
        assert_eq!((timers.next(), timers.take_due()), (None, None));
        timers.set(Timer::Restart, NOW);
        timers.set(Timer::Accept, LONG);
        timers.set(Timer::Terminal, NOW);
        timers.set(Timer::Terminal, None);
        assert_eq!(timers.next(), NOW);
        assert_eq!(timers.take_due(), Some(Timer::Restart));
        assert_eq!(timers.take_due(), None);
        timers.set(Timer::Accept, NOW);
        assert_eq!(timers.take_due(), Some(Timer::Accept));
        timers.set(Timer::Network, Some(Duration::MAX));
        assert!(!timers.is_set(Timer::Network) && timers.next().is_none());
    }
}
