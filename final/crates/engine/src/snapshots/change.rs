//! Listing, renaming and deleting snapshots.

use super::store::{self, InstanceSnapshot, SnapshotName, check_name};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events::Event;
use crate::records::record::Record;

impl Engine {
    /// The snapshots of a container, the oldest first.
    pub fn snapshots(&self, container: &str) -> Result<Vec<InstanceSnapshot>> {
        store::all(self.root(), &self.find(container)?)
    }

    /// One snapshot, and the bytes that its files take.
    pub fn snapshot_info(&self, name: &SnapshotName) -> Result<(InstanceSnapshot, u64)> {
        let record = self.find(&name.container)?;
        let snapshot = InstanceSnapshot::load(self.root(), &record, &name.snapshot)?;
        let bytes = snapshot.record.writable.size(&self.home_of(&record)?)?;
        Ok((snapshot, bytes))
    }

    pub fn rename_snapshot(&self, name: &SnapshotName, new: &str) -> Result<()> {
        let id = self.resolve(&name.container)?;
        let _lock = self.lock(&id).map_err(|error| error.for_container(&name.container))?;
        let record = Record::load(self.root(), &id)?;
        check_name(new)?;
        if store::names(self.root(), &id)?.iter().any(|taken| taken == new) {
            return Err(Error::SnapshotExists { container: record.name, name: new.into() });
        }
        let old = InstanceSnapshot::load(self.root(), &record, &name.snapshot)?;
        // A command that is killed in between leaves both names, which stand for the same files.
        InstanceSnapshot { name: new.into(), ..old }.store(self.root(), &id)?;
        InstanceSnapshot::remove(self.root(), &id, &name.snapshot)?;
        Event::container(&record, "snapshot-rename").with("snapshot", new).emit(self);
        Ok(())
    }

    pub fn remove_snapshot(&self, name: &SnapshotName) -> Result<()> {
        let id = self.resolve(&name.container)?;
        let _lock = self.lock(&id).map_err(|error| error.for_container(&name.container))?;
        let record = Record::load(self.root(), &id)?;
        InstanceSnapshot::load(self.root(), &record, &name.snapshot)?;
        InstanceSnapshot::remove(self.root(), &id, &name.snapshot)?;
        Event::container(&record, "snapshot-delete").with("snapshot", &name.snapshot).emit(self);
        self.collect_layers(&record)
    }
}
