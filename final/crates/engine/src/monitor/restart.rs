//! Whether a container is started again when its program has ended, and after which pause.

use std::time::Duration;

use crate::records::options::RestartPolicy;
use crate::records::state::Exit;

/// docker's pauses: the first one, which doubles with each restart up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// After a run of this length the pauses begin at the first one again.
const HEALTHY: Duration = Duration::from_secs(10);

/// A reboot after a shorter run than this waits, too. Otherwise a system that does nothing but reboot would keep a CPU
/// busy.
const SHORTEST: Duration = Duration::from_secs(1);

/// The restarts of one container, as long as its monitor lives.
#[derive(Debug)]
pub(super) struct Restarts {
    pause: Duration,
}

impl Restarts {
    pub(super) fn new() -> Self {
        Self { pause: FIRST_PAUSE }
    }

    /// The pause before the next run, or `None` if this was the last one. `ran` is how long the run took; `is_stopping`
    /// means that the user has ended the container.
    pub(super) fn next(
        &mut self,
        policy: &RestartPolicy,
        exit: &Exit,
        ran: Duration,
        is_stopping: bool,
    ) -> Option<Duration> {
        if is_stopping || !policy.restarts_after(exit) {
            return None;
        }
        Some(self.pause_after(ran))
    }

    /// The pause before the next run of a system that has rebooted itself.
    pub(super) fn after_reboot(&mut self, ran: Duration) -> Duration {
        let pause = self.pause_after(ran);
        if ran >= SHORTEST { Duration::ZERO } else { pause }
    }

    fn pause_after(&mut self, ran: Duration) -> Duration {
        if ran >= HEALTHY {
            self.pause = FIRST_PAUSE;
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(code: u8, restart_count: u32) -> Exit {
        Exit { code, restart_count, ..Exit::default() }
    }

    #[test]
    fn a_policy_decides_by_exit_code_and_count() {
        let restarts =
            |policy, exit: &Exit| Restarts::new().next(&policy, exit, Duration::ZERO, false).is_some();
        assert!(!restarts(RestartPolicy::No, &exit(1, 0)));
        assert!(restarts(RestartPolicy::Always, &exit(0, 99)));
        assert!(restarts(RestartPolicy::UnlessStopped, &exit(0, 0)));
        assert!(!restarts(RestartPolicy::OnFailure(0), &exit(0, 0)));
        assert!(restarts(RestartPolicy::OnFailure(0), &exit(1, 99)));
        assert!(restarts(RestartPolicy::OnFailure(2), &exit(1, 1)));
        assert!(!restarts(RestartPolicy::OnFailure(2), &exit(1, 2)));
        assert_eq!(Restarts::new().next(&RestartPolicy::Always, &exit(1, 0), Duration::ZERO, true), None);
    }

    #[test]
    fn a_reboot_is_immediate_unless_nothing_but_reboots_happens() {
        let mut restarts = Restarts::new();
        assert_eq!(restarts.after_reboot(Duration::from_secs(2)), Duration::ZERO);
        let [first, second] = [0, 0].map(|ran| restarts.after_reboot(Duration::from_secs(ran)));
        assert!(first > Duration::ZERO && second == first * 2, "{first:?} {second:?}");
    }

    #[test]
    fn pauses_double_up_to_a_minute_and_a_long_run_resets_them() {
        let mut restarts = Restarts::new();
        let mut next = |seconds| {
            restarts
                .next(&RestartPolicy::Always, &exit(0, 0), Duration::from_secs(seconds), false)
                .unwrap()
                .as_millis()
        };
        assert_eq!([next(0), next(9), next(0)], [100, 200, 400]);
        assert_eq!((0..20).map(|_| next(1)).last(), Some(60_000));
        assert_eq!(next(10), 100);
    }
}
