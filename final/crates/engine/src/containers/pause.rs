//! `pause` and `unpause`.

use hull_runtime::cgroups::Cgroup;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events::Event;
use crate::records::record::Record;
use crate::records::snapshot::Snapshot;
use crate::records::state::{Phase, State, Status, wrong_state};
use crate::runtimes::Runtime;

impl Engine {
    pub fn pause(&self, name: &str) -> Result<()> {
        let record = self.find(name)?;
        self.change_phase(&record, "pause", Status::Running, Phase::Paused, Runtime::freeze)
    }

    pub fn unpause(&self, name: &str) -> Result<()> {
        let record = self.find(name)?;
        self.change_phase(&record, "unpause", Status::Paused, Phase::Running, Runtime::thaw)
    }

    fn change_phase(
        &self,
        record: &Record,
        verb: &'static str,
        from: Status,
        to: Phase,
        change: impl FnOnce(&Runtime, &Cgroup) -> Result<()>,
    ) -> Result<()> {
        let _lock = self.lock(&record.id).map_err(|error| error.for_container(&record.name))?;
        let snapshot = Snapshot::take(self.root(), &record.id)?;
        let (status, Some(state)) = (snapshot.status, snapshot.state) else {
            return Err(wrong_state(verb, record, snapshot.status));
        };
        if status != from {
            return Err(wrong_state(verb, record, status));
        }
        let Some(path) = &state.cgroup else {
            return Err(Error::Unsupported(format!(
                "cannot {verb} {}: freezing needs a cgroup, and an unprivileged user has none without delegation",
                record.name
            )));
        };
        let cgroup = self.cgroup(path)?;
        let runtime = Runtime::of(state.runtime.as_ref(), self.root(), &record.id);
        let changed = State { phase: to, ..state.clone() };
        if to != Phase::Paused {
            change(&runtime, &cgroup)?;
            changed.store(self.root(), &record.id)?;
            Event::container(record, verb).emit(self);
            return Ok(());
        }
        // The state is written first, so that a command killed in between leaves no frozen container that is recorded
        // as running.
        changed.store(self.root(), &record.id)?;
        let frozen = change(&runtime, &cgroup);
        if frozen.is_err() {
            state.store(self.root(), &record.id)?;
        }
        frozen?;
        Event::container(record, verb).emit(self);
        Ok(())
    }
}
