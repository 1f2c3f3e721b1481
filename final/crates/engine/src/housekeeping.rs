//! What killed commands and monitors left. Every listing looks, since it reads the same directories anyway; nothing
//! on the way of a start does.

use std::collections::HashSet;

use hull_storage::{file, names, staging};

use crate::engine::Engine;
use crate::error::Result;
use crate::list::Summary;
use crate::monitor::recover;
use crate::record::Record;
use crate::state::{Snapshot, Status};

impl Engine {
    /// Clears a container whose monitor was killed, and looks again.
    pub(crate) fn clear_if_dead(&self, record: &Record, snapshot: Snapshot) -> Result<Snapshot> {
        if snapshot.status != Status::Dead {
            return Ok(snapshot);
        }
        let _lock = self.lock(&record.id)?;
        let snapshot = Snapshot::take(self.root(), &record.id)?;
        if snapshot.status == Status::Dead {
            recover::clear(self, &record.id, &snapshot)?;
        }
        Snapshot::take(self.root(), &record.id)
    }

    /// Clears what belongs to no container of the listing.
    pub(crate) fn sweep(&self, containers: &[Summary]) -> Result<()> {
        let root = self.root();
        staging::collect(&root.containers_dir())?;
        let known: HashSet<&str> = containers.iter().map(|container| container.name.as_str()).collect();
        names::collect(root, |name| known.contains(name))?;
        file::collect(root.data())?;
        for id in crate::engine::directories(&root.run().join("containers"))? {
            if !containers.iter().any(|container| container.id == id) && !root.container_dir(&id).exists() {
                crate::remove::remove_run_dir(root, &id)?;
            }
        }
        Ok(())
    }
}
