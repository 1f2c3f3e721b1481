//! Taking a snapshot.
//!
//! If the container does not run, its record is written before the snapshot. A command that is killed in between leaves
//! a container with one more layer. In the other order, it would leave a snapshot whose files the container goes on
//! changing.

use std::path::PathBuf;

use hull_lxd::schedule;

use super::files::{self, Divided};
use super::pattern::name_by_pattern;
use super::store::{self, InstanceSnapshot, check_name};
use crate::copy::Freezable;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events::Event;
use crate::handle::freeze::Frozen;
use crate::records::record::Record;
use crate::records::snapshot::Snapshot;
use crate::records::time::Timestamp;
use crate::records::writable::{Files, Writable};

/// When a snapshot is removed.
#[derive(Debug, Clone, Default)]
pub enum Expiry {
    /// As the container's `snapshots.expiry` says.
    #[default]
    Configured,
    Never,
    At(Timestamp),
}

#[derive(Debug, Clone, Default)]
pub struct SnapshotOptions {
    /// The name. `None`: the one that `snapshots.pattern` gives, or without this key `snap` and the next number.
    pub name: Option<String>,
    /// Replaces a snapshot of this name.
    pub reuse: bool,
    pub expiry: Expiry,
    /// The container's schedule asks for the snapshot.
    pub scheduled: bool,
}

impl Engine {
    /// Takes a snapshot of a container, and returns its name.
    pub fn snapshot(&self, name: &str, options: &SnapshotOptions) -> Result<String> {
        let id = self.resolve(name)?;
        self.clear_if_dead_by_id(&id, Snapshot::take(self.root(), &id)?)?;
        let _lock = self.lock(&id).map_err(|error| error.for_container(name))?;
        let record = Record::load(self.root(), &id).map_err(|error| error.for_container(name))?;
        let name = self.free_name(&record, options)?;
        let runs = Snapshot::take(self.root(), &id)?.status.is_active();
        let files = if runs { self.keep_running(&record) } else { self.keep_stopped(&record) };
        let files = files.map_err(|error| error.in_pool(record.writable.pool_name()))?;
        let kept = Record { writable: Writable { files, ..record.writable.clone() }, ..record.clone() };
        let created = Timestamp::now();
        let expires = expires(&options.expiry, &record, created)?;
        let snapshot = InstanceSnapshot {
            name: name.clone(),
            created,
            expires,
            scheduled: options.scheduled,
            record: kept,
        };
        if let Err(error) = snapshot.store(self.root(), &id) {
            let now = Record::load(self.root(), &id);
            return Err(error.with_undo(now.and_then(|record| self.collect_layers(&record))));
        }
        if options.reuse {
            self.collect_layers(&Record::load(self.root(), &id)?)?;
        }
        Event::container(&record, "snapshot").with("snapshot", &name).emit(self);
        Ok(name)
    }

    fn free_name(&self, record: &Record, options: &SnapshotOptions) -> Result<String> {
        let taken = store::names(self.root(), &record.id)?;
        let Some(name) = &options.name else {
            let name = name_by_pattern(record, Timestamp::now(), &taken)?;
            return checked(record, name, &taken, false);
        };
        checked(record, name.clone(), &taken, options.reuse)
    }

    fn keep_stopped(&self, record: &Record) -> Result<Files> {
        let home = self.home_of(record)?;
        let image = files::top_of_image(self.root().data(), record);
        let Divided { kept, next } = files::divide(record, &home, image.as_deref())?;
        if next != record.writable.files {
            let changed =
                Record { writable: Writable { files: next, ..record.writable.clone() }, ..record.clone() };
            if let Err(error) = changed.store(&self.root().container_dir(&record.id)) {
                return Err(error.with_undo(self.collect_layers(record)));
            }
        }
        Ok(kept)
    }

    fn keep_running(&self, record: &Record) -> Result<Files> {
        let home = self.home_of(record)?;
        files::write_back(&record.writable.files, &home)?;
        let frozen = self.freeze_to_copy(record)?;
        let kept = files::copy_present(record, &home);
        drop(frozen);
        kept
    }

    /// Freezes a container whose files are about to be copied. A container without a cgroup of its own cannot be
    /// frozen; its files are then copied while it runs, as `commit` does.
    pub(super) fn freeze_to_copy(&self, record: &Record) -> Result<Option<Frozen>> {
        match self.freezable(&record.id)? {
            Freezable::Yes => self.freeze(record),
            _ => Ok(None),
        }
    }

    /// The directory of the container's files. Their pool is mounted first, if it is an image.
    pub(super) fn home_of(&self, record: &Record) -> Result<PathBuf> {
        crate::pools::place::ensure(self, record)?;
        Ok(record.home(self.root()))
    }

    /// Removes the layers that neither the container nor a snapshot names. Called under the container's lock.
    pub(super) fn collect_layers(&self, record: &Record) -> Result<()> {
        let snapshots = store::all(self.root(), record)?;
        let used = snapshots.iter().map(|snapshot| &snapshot.record.writable);
        let kind = &record.writable.files;
        files::collect(kind, &self.home_of(record)?, used.chain([&record.writable]))
    }
}

fn checked(record: &Record, name: String, taken: &[String], reuse: bool) -> Result<String> {
    check_name(&name)?;
    match taken.contains(&name) && !reuse {
        true => Err(Error::SnapshotExists { container: record.name.clone(), name }),
        false => Ok(name),
    }
}

fn expires(expiry: &Expiry, record: &Record, created: Timestamp) -> Result<Option<Timestamp>> {
    match expiry {
        Expiry::Never => Ok(None),
        Expiry::At(time) => Ok(Some(*time)),
        Expiry::Configured => {
            let text = record.instance.expanded.config.get("snapshots.expiry").map_or("", String::as_str);
            let parts = schedule::expiry(text)
                .map_err(|why| Error::Invalid { what: format!("snapshots.expiry {text:?}"), why })?;
            Ok(created.after(&parts))
        }
    }
}
