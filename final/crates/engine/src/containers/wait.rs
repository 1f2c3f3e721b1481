//! `wait --condition`: podman's conditions, of which one has to hold.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::records::health::{self, Check, HealthStatus};
use crate::records::record::Record;
use crate::records::snapshot::Snapshot;
use crate::records::state::Status;

/// What podman prints for a condition other than the end.
const NO_CODE: i32 = -1;

/// A condition that `wait` waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    Created,
    Running,
    Paused,
    Exited,
    Healthy,
    Unhealthy,
}

impl std::str::FromStr for Condition {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "configured" | "created" | "initialized" => Ok(Self::Created),
            "running" => Ok(Self::Running),
            "paused" => Ok(Self::Paused),
            "stopped" | "exited" => Ok(Self::Exited),
            "healthy" => Ok(Self::Healthy),
            "unhealthy" => Ok(Self::Unhealthy),
            _ => Err(Error::Invalid {
                what: format!("condition {text:?}"),
                why: "it is created, running, paused, stopped, exited, healthy or unhealthy".into(),
            }),
        }
    }
}

impl Engine {
    /// Waits until one of the conditions holds. Returns the exit code of a container that has ended, and otherwise -1, as
    /// podman does. The end of the container is an error for a caller that waits for its health. Looks when the container's files
    /// change, and each `interval`: a killed monitor changes no file.
    pub fn wait_for(&self, name: &str, conditions: &[Condition], interval: Duration) -> Result<i32> {
        Ok(self.wait_until(name, conditions, interval, None)?.unwrap_or(NO_CODE))
    }

    /// The same, but only until the deadline. `None` if no condition holds then.
    pub fn wait_until(
        &self,
        name: &str,
        conditions: &[Condition],
        interval: Duration,
        deadline: Option<Instant>,
    ) -> Result<Option<i32>> {
        let record = self.find(name)?;
        let about_health =
            |condition: &Condition| matches!(condition, Condition::Healthy | Condition::Unhealthy);
        if conditions.iter().all(about_health) && Check::of(&record).is_none() {
            return Err(Error::Unsupported(format!("container {} has no health check", record.name)));
        }
        loop {
            // Before the look, so that no change is missed.
            let changes = watch(&self.root().container_run_dir(&record.id));
            let snapshot = self.clear_if_dead(&record, Snapshot::take(self.root(), &record.id)?)?;
            // A container that was removed has no record, and nothing else tells it from one that was just created.
            Record::load(self.root(), &record.id).map_err(|error| error.for_container(name))?;
            if let Some(code) = self.holding(&record, &snapshot, conditions) {
                return Ok(Some(code));
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Ok(None);
            }
            // Another run has a health of its own.
            if snapshot.status == Status::Exited && conditions.iter().any(about_health) {
                return Err(Error::WrongState { verb: "wait for", name: record.name, state: "not running" });
            }
            let mut fds: Vec<_> = changes.iter().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
            // Only a signal or the lack of memory make it fail, and then this looks again.
            let pause = left.map_or(interval, |left| left.min(interval));
            let _ = poll(&mut fds, pause.try_into().ok().as_ref());
        }
    }

    /// The result of the first condition that holds.
    fn holding(&self, record: &Record, snapshot: &Snapshot, conditions: &[Condition]) -> Option<i32> {
        let run = snapshot.state.as_ref().and_then(|state| state.started);
        let is_checked = snapshot.status == Status::Running && Check::of(record).is_some();
        let health = || health::status(self.root(), &record.id, snapshot.status, run).filter(|_| is_checked);
        let code = || snapshot.exit.as_ref().map_or(0, |exit| exit.code.into());
        conditions.iter().find_map(|condition| {
            let (holds, code) = match condition {
                Condition::Created => (snapshot.status == Status::Created, NO_CODE),
                Condition::Running => {
                    (snapshot.init_pid().is_some() && snapshot.status == Status::Running, NO_CODE)
                }
                Condition::Paused => (snapshot.status == Status::Paused, NO_CODE),
                Condition::Exited => (snapshot.status == Status::Exited, code()),
                Condition::Healthy => (health() == Some(HealthStatus::Healthy), NO_CODE),
                Condition::Unhealthy => (health() == Some(HealthStatus::Unhealthy), NO_CODE),
            };
            holds.then_some(code)
        })
    }
}

/// Reports the next change of a container's directory in the run root, or that it comes or goes. `None` where a user's
/// inotify instances are used up (inotify(7)).
fn watch(directory: &Path) -> Option<std::os::fd::OwnedFd> {
    let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()?;
    let changes = WatchFlags::MOVED_TO | WatchFlags::CREATE | WatchFlags::DELETE;
    // The directory exists only while the container runs.
    for path in directory.parent().into_iter().chain([directory]) {
        let _ = inotify::add_watch(&fd, path, changes);
    }
    Some(fd)
}
