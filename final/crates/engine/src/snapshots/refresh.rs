//! `copy --refresh`: an existing copy gets the present files and snapshots of its original. Its configuration stays.

use std::path::Path;

use hull_storage::staging::{self, Staging};

use super::forms::{self, Carrier};
use super::store::{self, InstanceSnapshot};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events::Event;
use crate::records::record::Record;
use crate::records::snapshot::Snapshot;
use crate::records::state::wrong_state;
use crate::records::writable::Writable;

impl Engine {
    /// Whether a container has this name, so that a copy can be refreshed.
    pub fn exists(&self, name: &str) -> Result<bool> {
        match self.resolve(name) {
            Ok(_) => Ok(true),
            Err(Error::NoSuchContainer(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives `copy` the files of `source`, and its snapshots, too, unless `instance_only` is set. The copy must not
    /// run.
    pub fn refresh_copy(&self, source: &str, copy: &str, instance_only: bool) -> Result<Record> {
        let (from, to) = (self.resolve(source)?, self.resolve(copy)?);
        if from == to {
            let why = "a container is no copy of itself".into();
            return Err(Error::Invalid { what: format!("copy --refresh of {source}"), why });
        }
        self.clear_if_dead_by_id(&from, Snapshot::take(self.root(), &from)?)?;
        self.clear_if_dead_by_id(&to, Snapshot::take(self.root(), &to)?)?;
        // Both containers are locked in the order of their ids, so that two commands do not wait for each other.
        let (first, second) = if from < to { (&from, &to) } else { (&to, &from) };
        let _locks = (self.lock(first)?, self.lock(second)?);
        let original = Record::load(self.root(), &from)?;
        let before = Record::load(self.root(), &to)?;
        let status = Snapshot::take(self.root(), &to)?.status;
        if status.is_active() {
            return Err(wrong_state("refresh", &before, status));
        }
        if original.layers != before.layers {
            let text = format!("container {copy} is no copy of {source}: it was made from another image");
            return Err(Error::Unsupported(text));
        }
        let refreshed = self.follow(&original, &before, instance_only);
        let now = Record::load(self.root(), &to)?;
        let collected = self.collect_layers(&now);
        match refreshed {
            Ok(()) => collected?,
            Err(error) => return Err(error.in_pool(now.writable.pool_name()).with_undo(collected)),
        }
        Event::container(&now, "update").emit(self);
        Ok(now)
    }

    fn follow(&self, original: &Record, before: &Record, instance_only: bool) -> Result<()> {
        let root = self.root();
        let home = self.home_of(before)?;
        let theirs = if instance_only { vec![] } else { store::all(root, original)? };
        let own = if instance_only { vec![] } else { store::all(root, before)? };
        let is_same = |one: &InstanceSnapshot, other: &InstanceSnapshot| {
            one.name == other.name && one.created == other.created
        };
        let missing: Vec<&InstanceSnapshot> =
            theirs.iter().filter(|one| !own.iter().any(|other| is_same(one, other))).collect();
        let carrier = Carrier::new(self, original, &before.writable, forms::next_number(&home)?)?;
        let parent = home.parent().unwrap_or(Path::new("/"));
        // A listing does not look into the image file of a container with a size.
        staging::collect(parent)?;
        let staged = Staging::new(parent)?;
        let frozen = self.freeze_to_copy(original)?;
        carrier.copy_present(original, staged.path())?;
        drop(frozen);
        carrier.copy_rest(original, missing.iter().map(|one| &one.record), staged.path())?;
        forms::add(staged.path(), &home)?;
        for snapshot in missing {
            let files = carrier.files(&snapshot.record.writable.files);
            let record = Record {
                id: before.id.clone(),
                writable: Writable { files, ..before.writable.clone() },
                ..snapshot.record.clone()
            };
            InstanceSnapshot { record, ..snapshot.clone() }.store(root, &before.id)?;
        }
        let files = carrier.files(&original.writable.files);
        let record = Record { writable: Writable { files, ..before.writable.clone() }, ..before.clone() };
        record.store(&root.container_dir(&before.id))?;
        for snapshot in own.iter().filter(|one| !theirs.iter().any(|other| other.name == one.name)) {
            InstanceSnapshot::remove(root, &before.id, &snapshot.name)?;
        }
        Ok(())
    }
}
