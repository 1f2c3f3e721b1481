//! What a dependency has to be before its dependents start. Nothing is asked at intervals: the engine's events tell when to
//! look again, and the end of a container's monitor does, because a killed one tells nothing.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use hull_docker::wire::events::Message;
use hull_engine::{Engine, EventReader, EventSink, HealthStatus, Status};

use super::Member;
use crate::error::{Context, Error, Result};
use crate::plan::Condition;

/// How often to look when the kernel has no inotify instance left for this user.
const LOOK: Duration = Duration::from_millis(50);

/// Whether a condition holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Holds {
    Yes,
    NotYet,
    /// It will not hold any more.
    Never(String),
}

/// Looks at the containers of the service `name`.
pub(super) fn look(engine: &Engine, name: &str, condition: Condition, members: &[Member]) -> Result<Holds> {
    match condition {
        Condition::Started => Ok(Holds::Yes),
        Condition::Completed => completed(engine, name, members),
        Condition::Healthy | Condition::RunningOrHealthy => {
            for member in members {
                match healthy(engine, member, condition)? {
                    Holds::Yes => {}
                    other => return Ok(other),
                }
            }
            Ok(Holds::Yes)
        }
    }
}

/// As in Compose, the first container that has ended decides.
fn completed(engine: &Engine, name: &str, members: &[Member]) -> Result<Holds> {
    for member in members {
        let moment = engine.moment(&member.id).context(|| format!("container {}", member.name))?;
        if matches!(moment.status, Status::Exited | Status::Dead) {
            return Ok(match moment.exit_code.unwrap_or(0) {
                0 => Holds::Yes,
                code => Holds::Never(format!("service {name:?} didn't complete successfully: exit {code}")),
            });
        }
    }
    Ok(Holds::NotYet)
}

fn healthy(engine: &Engine, member: &Member, condition: Condition) -> Result<Holds> {
    let name = &member.name;
    let moment = engine.moment(&member.id).context(|| format!("container {name}"))?;
    if matches!(moment.status, Status::Exited | Status::Dead) {
        let code = moment.exit_code.unwrap_or(0);
        return Ok(Holds::Never(format!("container {name} exited ({code})")));
    }
    if !moment.has_check {
        return Ok(match condition {
            Condition::RunningOrHealthy if moment.status == Status::Running => Holds::Yes,
            Condition::RunningOrHealthy => Holds::NotYet,
            _ => Holds::Never(format!("container {name} has no healthcheck configured")),
        });
    }
    // Between two runs it has no health.
    Ok(match moment.health.filter(|_| moment.status == Status::Running) {
        Some(HealthStatus::Healthy) => Holds::Yes,
        Some(HealthStatus::Unhealthy) => Holds::Never(format!("container {name} is unhealthy")),
        Some(HealthStatus::Starting) | None => Holds::NotYet,
    })
}

/// Tells when to look again.
pub(super) struct Changes {
    events: EventReader,
    nowhere: Nowhere,
    /// The monitors of the containers that are waited for, by pid.
    monitors: Vec<(i32, OwnedFd)>,
}

impl Changes {
    /// Whatever changes from here on is noticed.
    pub(super) fn new(engine: &Engine) -> Result<Self> {
        let events = engine.event_reader(false).context(|| "follow the events".into())?;
        let nowhere = std::fs::File::open("/dev/null").map_err(unreadable)?;
        Ok(Self { events, nowhere: Nowhere(nowhere), monitors: vec![] })
    }

    /// Takes the events so far. Called before the containers are looked at, so that a later change wakes the loop again.
    pub(super) fn take(&mut self) -> Result<()> {
        self.events.read(&mut self.nowhere, &mut |_| false).context(|| "read the events".into())
    }

    /// Notices the end of the containers' monitors, too.
    pub(super) fn watch<'a>(&mut self, engine: &Engine, members: impl Iterator<Item = &'a Member>) {
        let mut watched = Vec::new();
        for member in members {
            let monitor = engine.moment(&member.id).ok().and_then(|moment| moment.monitor);
            let Some(pid) = monitor else { continue };
            let known = self.monitors.iter().position(|(other, _)| *other == pid);
            match known {
                Some(index) => watched.push(self.monitors.swap_remove(index)),
                None => watched.extend(hull_sys::process::pidfd_open(pid).ok().map(|fd| (pid, fd))),
            }
        }
        self.monitors = watched;
    }

    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.events.descriptor().into_iter().chain(self.monitors.iter().map(|(_, fd)| fd.as_fd()))
    }

    /// When to look at the containers although there was no event.
    pub(super) fn due(&self) -> Option<Instant> {
        self.events.descriptor().is_none().then(|| Instant::now() + LOOK)
    }
}

fn unreadable(error: std::io::Error) -> Error {
    Error::Invalid(format!("follow the events: {error}"))
}

/// Takes no event: only their coming counts.
struct Nowhere(std::fs::File);

impl EventSink for Nowhere {
    fn take(&mut self, _: Message) -> std::io::Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }

    fn missed(&mut self) {}

    fn reader(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
