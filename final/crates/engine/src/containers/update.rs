//! `update`: other limits and another restart policy, at once and for the next start.

use hull_docker::wire::container::UpdateResponse;
use hull_docker::wire::host_config::HostConfig;

use crate::engine::Engine;
use crate::error::Result;
use crate::events::Event;
use crate::gc::limits;
use crate::records::record::Record;
use crate::records::snapshot::Snapshot;
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
        let keys = &record.instance.expanded.config;
        crate::instance::limits::refuse_flags(keys, &record.options.resources, &options.resources)?;
        let before = std::mem::replace(&mut record.options, options);
        let change = self.change_limits(&record, &before.resources)?;
        let stored = record.store(&self.root().container_dir(&id));
        match (change, stored) {
            (Some(change), Ok(())) => change.finish()?,
            (Some(change), Err(error)) => return Err(error.with_undo(change.undo())),
            (None, stored) => stored?,
        }
        Event::container(&record, "update").emit(self);
        Ok(UpdateResponse::default())
    }
}
