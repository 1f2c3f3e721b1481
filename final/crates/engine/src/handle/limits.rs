//! Changing the limits of a container that may run: all of them, or none.

use hull_runtime::cgroups::{Cgroup, changed, differing, merge};
use hull_runtime::spec::Resources;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::gc::limits;
use crate::records::options::ResourceOptions;
use crate::records::record::Record;
use crate::records::snapshot::Snapshot;
use crate::records::state::Status;
use crate::spec;

/// A change of a container's cgroup that the record does not have yet.
pub(crate) struct LimitChange<'a> {
    engine: &'a Engine,
    id: String,
    cgroup: Cgroup,
    before: Resources,
    /// The limits that differ, including those that are gone.
    touched: Resources,
}

impl Engine {
    /// Changes the cgroup of a container that runs to the limits of its record. `None` if there is nothing to change. Called
    /// under the container's lock, before the record is stored.
    pub(crate) fn change_limits(
        &self,
        record: &Record,
        before: &ResourceOptions,
    ) -> Result<Option<LimitChange<'_>>> {
        let (before, after) = (spec::limits(before)?, spec::limits(&record.options.resources)?);
        let touched = differing(&before, &after)?;
        if touched == Resources::default() {
            return Ok(None);
        }
        let snapshot = Snapshot::take(self.root(), &record.id)?;
        if !matches!(snapshot.status, Status::Running | Status::Paused) {
            return Ok(None);
        }
        let Some(path) = snapshot.state.as_ref().and_then(|state| state.cgroup.as_deref()) else {
            return Err(Error::Unsupported(format!(
                "cannot change the limits of {} while it runs: an unprivileged user's container has no cgroup \
                 without delegation",
                record.name
            )));
        };
        let cgroup = self.cgroup(path)?;
        let change = LimitChange { engine: self, id: record.id.clone(), cgroup, before, touched };
        limits::will_change(self, &change.id, &change.touched)?;
        match change.make(&after) {
            Ok(()) => Ok(Some(change)),
            // The container has ended meanwhile. Its next run has the new limits.
            Err(_) if !change.cgroup.exists() => Ok(Some(change)),
            Err(error) => Err(Error::from(error).with_undo(change.undo())),
        }
    }
}

impl LimitChange<'_> {
    fn make(&self, after: &Resources) -> std::result::Result<(), hull_runtime::cgroups::Error> {
        let asked = changed(&self.before, after)?;
        match merge(&self.before, &asked)? == *after {
            true => self.cgroup.change(&self.before, &asked).map(drop),
            // A limit that is gone is set to the kernel's default.
            false => self.cgroup.set_back(after, &self.touched),
        }
    }

    /// To be called when the record has been stored.
    pub(crate) fn finish(self) -> Result<()> {
        limits::have_changed(self.engine, &self.id)
    }

    /// To be called when the record could not be stored. Sets the limits back.
    pub(crate) fn undo(self) -> Result<()> {
        if self.cgroup.exists() {
            self.cgroup.set_back(&self.before, &self.touched)?;
        }
        limits::have_changed(self.engine, &self.id)
    }
}
