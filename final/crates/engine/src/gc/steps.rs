//! Steps of builds whose builder has ended without removing them.

use crate::engine::Engine;
use crate::error::{Error, Errors, Result};
use crate::gc::killed_monitor::{self, Killer};
use crate::gc::removal::{Remains, remove_files};
use crate::records::find::step_directories;
use crate::records::record::{Kind, Record};
use crate::records::run_dir;
use crate::records::snapshot::Snapshot;
use crate::records::state::Status;

/// Removes them. Goes on past errors and reports them all.
pub(crate) fn collect(engine: &Engine) -> Result<()> {
    let root = engine.root();
    let mut errors = Errors::default();
    for id in step_directories(&root.containers_dir())? {
        match Record::load(root, &id) {
            Ok(Record { kind: Kind::Build { builder }, .. }) if builder.is_alive() => {}
            // Another command is removing it.
            Err(Error::NoSuchContainer(_)) => {}
            _ => errors.note(discard(engine, &id)),
        }
    }
    for id in step_directories(&root.run().join("containers"))? {
        if !root.container_dir(&id).exists() {
            errors.note(run_dir::remove(root, &id));
        }
    }
    errors.into_result()
}

/// Removes a step. One whose monitor lives is left to the monitor: it ends when its builder is gone.
pub(crate) fn discard(engine: &Engine, id: &str) -> Result<()> {
    let _lock = match engine.lock(id) {
        Err(Error::NoSuchContainer(_)) => return Ok(()),
        lock => lock?,
    };
    let snapshot = Snapshot::take(engine.root(), id)?;
    match snapshot.status {
        status if status.is_active() => return Ok(()),
        Status::Dead => killed_monitor::clear(engine, id, &snapshot, Killer::Command)?,
        _ => {}
    }
    match Record::load(engine.root(), id) {
        Ok(record) => remove_files(engine, Remains::of(&record, false)),
        Err(Error::NoSuchContainer(_)) => Ok(()),
        // Whatever the record said, nobody needs the step.
        Err(_) => remove_files(engine, Remains::of_step(id)),
    }
}
