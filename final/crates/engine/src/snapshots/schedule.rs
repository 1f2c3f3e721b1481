//! Snapshots by schedule: the keys `snapshots.schedule` and `snapshots.schedule.stopped`, and the expiry of snapshots.

use std::path::PathBuf;

use hull_lxd::calendar::{self, Clock};
use hull_storage::file;

use super::store::{self, SnapshotName};
use super::take::{Expiry, SnapshotOptions};
use crate::engine::Engine;
use crate::error::{Error, Errors, Result};
use crate::records::record::Record;
use crate::records::snapshot::Snapshot;
use crate::records::time::Timestamp;

/// What a run of the schedules has done.
#[derive(Debug, Default)]
pub struct ScheduledRun {
    pub taken: Vec<SnapshotName>,
    /// The snapshots that had expired.
    pub removed: Vec<SnapshotName>,
    /// A failure in one container does not stop the snapshots of the others.
    pub errors: Errors,
}

impl Engine {
    /// Takes the snapshots that are due, and removes those that have expired. A snapshot is due if none of the
    /// schedule's was taken since the last time that the schedule names. So after the machine was off, a container gets
    /// at most one.
    pub fn run_schedules(&self) -> Result<ScheduledRun> {
        let mut run = ScheduledRun::default();
        for id in self.ids()? {
            let done = self.run_schedule(&id, &mut run);
            match done {
                // Another command has removed the container.
                Err(Error::NoSuchContainer(_)) => {}
                done => run.errors.note(done),
            }
        }
        Ok(run)
    }

    /// Takes the snapshot that `@startup` asks for, of a container that is about to start. Returns whether one was
    /// taken.
    pub(crate) fn snapshot_at_startup(&self, record: &Record) -> Result<bool> {
        let schedule = record.instance.key("snapshots.schedule").unwrap_or_default();
        if !calendar::is_at_startup(schedule) || Snapshot::take(self.root(), &record.id)?.status.is_active() {
            return Ok(false);
        }
        let options = SnapshotOptions { scheduled: true, ..SnapshotOptions::default() };
        self.snapshot(&record.id, &options).map(|_| true)
    }

    fn run_schedule(&self, id: &str, run: &mut ScheduledRun) -> Result<()> {
        let record = Record::load(self.root(), id)?;
        let now = Timestamp::now();
        let snapshots = store::all(self.root(), &record)?;
        for snapshot in &snapshots {
            if snapshot.expires.is_some_and(|expires| expires <= now) {
                let name = SnapshotName { container: record.name.clone(), snapshot: snapshot.name.clone() };
                self.remove_snapshot(&name)?;
                run.removed.push(name);
            }
        }
        let key = |name: &str| record.instance.expanded.config.get(name).map_or("", String::as_str);
        let schedule = key("snapshots.schedule");
        if schedule.is_empty() {
            return Ok(());
        }
        let runs = Snapshot::take(self.root(), id)?.status.is_active();
        if !runs && hull_lxd::value::boolean(key("snapshots.schedule.stopped")) != Ok(true) {
            return Ok(());
        }
        // The last snapshot may have expired since, so the time of the last one is noted, too.
        let noted = file::read_json::<Timestamp>(&last_run(self, id)).unwrap_or_default();
        let kept = snapshots.iter().filter(|snapshot| snapshot.scheduled).map(|snapshot| snapshot.created);
        let since = kept.chain(noted).max().unwrap_or(record.created);
        if !calendar::due_since(schedule, since.seconds(), now.seconds(), clock) {
            return Ok(());
        }
        let options =
            SnapshotOptions { scheduled: true, expiry: Expiry::Configured, ..SnapshotOptions::default() };
        let snapshot = self.snapshot(id, &options)?;
        run.taken.push(SnapshotName { container: record.name, snapshot });
        Ok(file::write_json_atomic(&last_run(self, id), &now)?)
    }
}

/// The file with the time at which the container's schedule was last followed.
fn last_run(engine: &Engine, id: &str) -> PathBuf {
    engine.root().container_dir(id).join("scheduled.json")
}

fn clock(at: i64) -> Clock {
    let local = hull_sys::clock::local(at);
    // A time that cannot be shown as a date gets month 0, which fits no schedule.
    local.map_or(Clock { minute: 0, hour: 0, day: 0, month: 0, weekday: 0 }, |local| Clock {
        minute: local.minute.into(),
        hour: local.hour.into(),
        day: local.day.into(),
        month: local.month.into(),
        weekday: local.weekday.into(),
    })
}
