//! After an `update` that was killed: the cgroup gets the limits that the container's record has.
//!
//! An update notes which limits it is about to change, changes the cgroup, writes the record, and removes the note. The
//! record is whole at every moment; while the note is there, the cgroup may differ from it.

use std::path::PathBuf;

use hull_runtime::spec::Resources;
use hull_storage::file;

use crate::engine::Engine;
use crate::error::Result;
use crate::records::record::Record;
use crate::records::snapshot::Snapshot;

fn note(engine: &Engine, id: &str) -> PathBuf {
    engine.root().container_run_dir(id).join("update.json")
}

pub(crate) fn will_change(engine: &Engine, id: &str, asked: &Resources) -> Result<()> {
    Ok(file::write_json_atomic(&note(engine, id), asked)?)
}

pub(crate) fn have_changed(engine: &Engine, id: &str) -> Result<()> {
    Ok(file::remove(&note(engine, id))?)
}

/// Under the container's lock.
pub(crate) fn settle(engine: &Engine, record: &Record) -> Result<()> {
    let id = &record.id;
    if !note(engine, id).exists() {
        return Ok(());
    }
    let asked: Resources = file::read_json(&note(engine, id))?.unwrap_or_default();
    let snapshot = Snapshot::take(engine.root(), id)?;
    let state = snapshot.state.filter(|_| snapshot.status.is_active());
    if let Some(path) = state.and_then(|state| state.cgroup) {
        let cgroup = engine.cgroup(&path)?;
        if cgroup.exists() {
            cgroup.set_back(&crate::spec::limits(&record.options.resources)?, &asked)?;
        }
    }
    have_changed(engine, id)
}

/// The same for a command that does not hold the lock.
pub(crate) fn settle_unlocked(engine: &Engine, id: &str) -> Result<()> {
    if !note(engine, id).exists() {
        return Ok(());
    }
    let _lock = engine.lock(id)?;
    settle(engine, &Record::load(engine.root(), id)?)
}
