//! What a restart policy says about a container that has ended.

use crate::records::options::RestartPolicy;
use crate::records::record::Record;
use crate::records::state::Exit;

impl RestartPolicy {
    /// Whether another run follows this end, if the user did not want it.
    pub(crate) fn restarts_after(&self, exit: &Exit) -> bool {
        match self {
            Self::No => false,
            Self::Always | Self::UnlessStopped => true,
            Self::OnFailure(0) => exit.code != 0,
            Self::OnFailure(most) => exit.code != 0 && exit.restart_count < *most,
        }
    }

    /// Whether the container is still to be started again because its monitor was killed and could not do it.
    pub(crate) fn is_pending(&self, exit: &Exit) -> bool {
        exit.monitor_killed && !exit.stopped_by_user && self.restarts_after(exit)
    }

    /// Whether the container starts with the machine: docker's rule for a daemon that starts.
    pub(crate) fn starts_at_boot(&self, exit: &Exit) -> bool {
        match self {
            Self::Always => true,
            Self::UnlessStopped => !exit.stopped_by_user,
            Self::No | Self::OnFailure(_) => self.is_pending(exit),
        }
    }
}

/// Why a container starts without being named by its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// Its monitor was killed.
    KilledMonitor,
    /// The machine has started.
    Boot,
}

impl Occasion {
    pub(crate) fn holds(self, record: &Record, exit: &Exit) -> bool {
        match self {
            Self::KilledMonitor => record.options.restart.is_pending(exit),
            Self::Boot => match autostart(record) {
                Some(wanted) => wanted,
                None => {
                    record.options.restart.starts_at_boot(exit)
                        || record.options.system && ran_when_machine_stopped(exit)
                }
            },
        }
    }

    /// The number of restarts with which the next run begins; `None` if the policy asks for no run.
    pub(crate) fn restart_count(self, record: &Record, exit: Option<&Exit>) -> Option<u32> {
        // Without an exit the container was never started. Then only the key starts it, and no restart policy.
        if exit.is_none() && self == Self::Boot && autostart(record) == Some(true) {
            return Some(0);
        }
        let exit = exit.filter(|exit| self.holds(record, exit))?;
        Some(if exit.monitor_killed { exit.restart_count + 1 } else { 0 })
    }
}

/// The key `boot.autostart`, which overrides a restart policy. `None` if it is not set. As in LXD, a system container
/// without it starts with the machine if it ran before.
pub(crate) fn autostart(record: &Record) -> Option<bool> {
    let value = record.instance.expanded.config.get("boot.autostart")?;
    hull_lxd::value::boolean(value).ok()
}

/// Whether the container ran until the machine went down, by `boot stop` or by a loss of power.
fn ran_when_machine_stopped(exit: &Exit) -> bool {
    !exit.stopped_by_user && (exit.ended_by_shutdown || exit.monitor_killed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_killed_monitor_restarts_what_its_policy_restarts_unless_the_user_ended_it() {
        let killed = Exit { code: 137, monitor_killed: true, ..Exit::default() };
        let is_pending = |policy: RestartPolicy, exit: &Exit| policy.is_pending(exit);
        assert!(
            is_pending(RestartPolicy::Always, &killed) && is_pending(RestartPolicy::OnFailure(1), &killed)
        );
        assert!(!is_pending(RestartPolicy::No, &killed));
        assert!(!is_pending(RestartPolicy::OnFailure(1), &Exit { restart_count: 1, ..killed.clone() }));
        assert!(!is_pending(RestartPolicy::Always, &Exit { monitor_killed: false, ..killed.clone() }));
        assert!(!is_pending(RestartPolicy::Always, &Exit { stopped_by_user: true, ..killed }));
    }

    #[test]
    fn a_container_that_the_machine_has_ended_is_told_from_one_that_ended() {
        let ended = Exit { ended_by_shutdown: true, ..Exit::default() };
        assert!(ran_when_machine_stopped(&ended));
        assert!(ran_when_machine_stopped(&Exit { monitor_killed: true, ..Exit::default() }));
        assert!(!ran_when_machine_stopped(&Exit::default()));
        assert!(!ran_when_machine_stopped(&Exit { stopped_by_user: true, ..ended }));
    }

    #[test]
    fn at_boot_only_unless_stopped_looks_at_who_stopped_the_container() {
        let stopped = Exit { stopped_by_user: true, ..Exit::default() };
        let crashed = Exit { code: 255, ..Exit::default() };
        let starts =
            |policy: RestartPolicy| [policy.starts_at_boot(&stopped), policy.starts_at_boot(&crashed)];
        assert_eq!(starts(RestartPolicy::Always), [true, true]);
        assert_eq!(starts(RestartPolicy::UnlessStopped), [false, true]);
        assert_eq!(starts(RestartPolicy::OnFailure(0)), [false, false]);
        assert_eq!(starts(RestartPolicy::No), [false, false]);
    }
}
