//! `update`: other limits and another restart policy, at once and for the next start.

use hull_docker::wire::container::UpdateResponse;
use hull_docker::wire::host_config::HostConfig;
use hull_runtime::cgroups::{Cgroup, changed};
use hull_runtime::spec::Resources;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events::Event;
use crate::gc::limits;
use crate::records::options::ResourceOptions;
use crate::records::record::Record;
use crate::records::snapshot::Snapshot;
use crate::records::state::Status;
use crate::requests::{asked, updated};
use crate::spec;

impl Engine {
    /// Changes what the request sets, or nothing. The monitor reads the restart policy at the end of each run.
    pub fn update(&self, name: &str, request: &HostConfig) -> Result<UpdateResponse> {
        let id = self.resolve(name)?;
        self.clear_if_dead_by_id(&id, Snapshot::take(self.root(), &id)?)?;
        let _lock = self.lock(&id).map_err(|error| error.for_container(name))?;
        let mut record = Record::load(self.root(), &id).map_err(|error| error.for_container(name))?;
        limits::settle(self, &record)?;
        spec::check_resources(&asked(request)?)?;
        let options = updated(&record.options, request)?;
        spec::check_resources(&options.resources)?;
        let before = std::mem::replace(&mut record.options, options);
        let change = self.change_limits(&record, &before.resources)?;
        if let Err(error) = record.store(&self.root().container_dir(&id)) {
            let undone = change.as_ref().map_or(Ok(()), |change| Ok(change.undo()?));
            return Err(error.with_undo(undone.and_then(|()| limits::have_changed(self, &id))));
        }
        if change.is_some() {
            limits::have_changed(self, &id)?;
        }
        Event::container(&record, "update").emit(self);
        Ok(UpdateResponse::default())
    }

    /// Changes the cgroup of a container that runs. `None` if there is nothing to change.
    fn change_limits(&self, record: &Record, before: &ResourceOptions) -> Result<Option<Change>> {
        let (before, after) = (spec::limits(before)?, spec::limits(&record.options.resources)?);
        let asked = changed(&before, &after)?;
        let snapshot = Snapshot::take(self.root(), &record.id)?;
        let runs = matches!(snapshot.status, Status::Running | Status::Paused);
        if asked == Resources::default() || !runs {
            return Ok(None);
        }
        let Some(path) = snapshot.state.as_ref().and_then(|state| state.cgroup.as_deref()) else {
            return Err(Error::Unsupported(format!(
                "cannot change the limits of {} while it runs: an unprivileged user's container has no cgroup \
                 without delegation",
                record.name
            )));
        };
        let change = Change { cgroup: self.cgroup(path)?, before, asked };
        limits::will_change(self, &record.id, &change.asked)?;
        match change.cgroup.change(&change.before, &change.asked) {
            Ok(_) => Ok(Some(change)),
            // The container has ended meanwhile. Its next run has the new limits.
            Err(_) if !change.cgroup.exists() => Ok(Some(change)),
            Err(error) => Err(Error::from(error).with_undo(limits::have_changed(self, &record.id))),
        }
    }
}

/// What has been changed in a cgroup.
struct Change {
    cgroup: Cgroup,
    before: Resources,
    asked: Resources,
}

impl Change {
    fn undo(&self) -> std::result::Result<(), hull_runtime::cgroups::Error> {
        self.cgroup.set_back(&self.before, &self.asked)
    }
}
