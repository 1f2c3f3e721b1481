//! Moving a container to another storage pool. It stays the same container.
//!
//! The files are copied under the same numbers. Then the record is replaced by one that names the new pool, by a single
//! rename(2). Then the files in the old pool are removed. A killed command leaves the container in one of the two
//! pools, and a mark ([`moved`]) by which the next command finds the files in the other one.

use super::copy::{in_pool, publish};
use super::files;
use super::forms::{self, Carrier};
use super::store;
use crate::engine::Engine;
use crate::error::Result;
use crate::events::Event;
use crate::instance::InstanceChanges;
use crate::new_volumes::NewVolumes;
use crate::pools::copied::Copied;
use crate::pools::{moved, place};
use crate::records::record::Record;
use crate::records::snapshot::Snapshot;
use crate::records::state::wrong_state;
use crate::records::writable::Writable;

impl Engine {
    /// Moves a container to another pool. It must not run.
    pub fn move_to_pool(&self, name: &str, pool: &str, changes: &InstanceChanges) -> Result<()> {
        let id = self.resolve(name)?;
        self.clear_if_dead_by_id(&id, Snapshot::take(self.root(), &id)?)?;
        let profiles = self.hold_profiles()?;
        let _uses = self.lock_in_use()?;
        let _lock = self.lock(&id).map_err(|error| error.for_container(name))?;
        let before = Record::load(self.root(), &id).map_err(|error| error.for_container(name))?;
        let status = Snapshot::take(self.root(), &id)?.status;
        if status.is_active() {
            return Err(wrong_state("move", &before, status));
        }
        moved::settle(self.root(), &before)?;
        // After an earlier move that was killed, the files of snapshots may still be described in the form of an older
        // pool. Reading them gives the form of the present pool, which is written back before the container is moved
        // again.
        store::all(self.root(), &before)?.iter().try_for_each(|one| one.store(self.root(), &id))?;
        let planned = place::plan_copy(self, &id, &before, Some(pool))?;
        let mut record = Record { writable: planned, ..before.clone() };
        let changes = in_pool(Some(pool), &mut record, changes.clone());
        self.configure_copy(&profiles, &mut record, &changes)?;
        let mut volumes = NewVolumes::of_change(&id);
        let made = volumes.make_missing(self, &before, &record);
        if record.writable.pool == before.writable.pool {
            record.writable = before.writable;
            let stored = made.and_then(|()| record.store(&self.root().container_dir(&id)));
            return stored.map_err(|error| error.with_undo(volumes.undo(self)));
        }
        let carried = made.and_then(|()| self.carry_over(&before, record));
        let carried = carried.map_err(|error| error.in_pool(pool));
        let now = Record::load(self.root(), &id)?;
        let settled = moved::settle(self.root(), &now);
        match carried {
            Ok(()) => settled?,
            Err(error) if now.writable.pool == before.writable.pool => {
                return Err(error.with_undo(settled).with_undo(volumes.undo(self)));
            }
            Err(error) => return Err(error.with_undo(settled)),
        }
        Event::container(&now, "update").emit(self);
        Ok(())
    }

    fn carry_over(&self, before: &Record, record: Record) -> Result<()> {
        let (root, directory) = (self.root(), self.root().container_dir(&before.id));
        let carrier = Carrier::new(self, before, &record.writable, 0)?;
        let files = carrier.files(&before.writable.files);
        let record = Record { writable: Writable { files, ..record.writable.clone() }, ..record };
        let snapshots = store::all(root, before)?;
        moved::begin(root, &before.id)?;
        let copied = Copied::begin(self, &record.id, &record.writable)?;
        carrier.copy_present(before, copied.home())?;
        carrier.copy_rest(before, snapshots.iter().map(|snapshot| &snapshot.record), copied.home())?;
        let complete = copied.finish()?;
        // The files are on the disk before the record names them, so that a crash of the machine leaves no incomplete
        // files.
        files::sync(complete.staged.path())?;
        match complete.target == directory {
            true if complete.is_image => complete.put_image()?,
            true => forms::add(complete.staged.path(), &directory)?,
            false => publish(complete.staged, &complete.target)?,
        }
        // The image of the old pool and that of the new one are mounted in the same place.
        place::release(root, &record.id)?;
        record.store(&directory)?;
        store::all(root, &record)?.iter().try_for_each(|snapshot| snapshot.store(root, &record.id))?;
        self.home_of(&record).map(drop)
    }
}
