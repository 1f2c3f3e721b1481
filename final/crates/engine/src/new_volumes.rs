//! Anonymous volumes that are made before the record that names them.
//!
//! A note in `<data>/new-volumes/` has their names first, and goes when the record is in place. What a killed command's
//! note still has is used by nobody: no other record can have these random names.

use std::path::PathBuf;

use hull_storage::directory::{make_dirs, names_in};
use hull_storage::file;
use hull_storage::lock::Lock;
use hull_storage::process_id::ProcessId;
use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::error::{Error, Errors, Result};
use crate::records::ids::random_id;
use crate::records::record::{MountRecord, Record};

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    maker: ProcessId,
    /// The container whose record will name the volumes.
    container: String,
    /// Whether the container exists already. Otherwise it exists only with a record that names them.
    is_change: bool,
    volumes: Vec<String>,
}

/// The volumes that a command makes for one container. Dropped when the record is in place, or the volumes are removed.
#[derive(Debug)]
pub(crate) struct NewVolumes {
    container: String,
    is_change: bool,
    /// Its file, and what it says. `None`: nothing was made.
    note: Option<(PathBuf, Note)>,
}

impl NewVolumes {
    /// For a container that does not exist yet.
    pub(crate) fn of_new(container: &str) -> Self {
        Self { container: container.to_owned(), is_change: false, note: None }
    }

    /// For a container whose record is to be replaced.
    pub(crate) fn of_change(container: &str) -> Self {
        Self { container: container.to_owned(), is_change: true, note: None }
    }

    /// Makes the volume of a mount, if it has one that does not exist.
    pub(crate) fn make(&mut self, engine: &Engine, mount: &MountRecord) -> Result<()> {
        let Some(name) = &mount.name else { return Ok(()) };
        if mount.anonymous && engine.volumes().find(name)?.is_none() {
            self.announce(engine, name)?;
        }
        let settings = (&mount.extras.labels, &mount.extras.driver_options);
        engine.ensure_volume(name, settings, mount.anonymous).map(drop)
    }

    /// Makes the anonymous volumes that a record names, and did not name before.
    pub(crate) fn make_missing(&mut self, engine: &Engine, before: &Record, record: &Record) -> Result<()> {
        let is_new = |mount: &&MountRecord| mount.anonymous && !before.mounts.contains(mount);
        record.mounts.iter().filter(is_new).try_for_each(|mount| self.make(engine, mount))
    }

    fn announce(&mut self, engine: &Engine, name: &str) -> Result<()> {
        let directory = directory(engine);
        let (path, mut note) = match self.note.take() {
            Some(known) => known,
            None => {
                make_dirs(&directory, 0o700)?;
                let (maker, container) = (ProcessId::of_self()?, self.container.clone());
                let note = Note { maker, container, is_change: self.is_change, volumes: vec![] };
                (directory.join(format!("{}.json", random_id()?)), note)
            }
        };
        note.volumes.push(name.to_owned());
        let written = file::write_json_atomic(&path, &note);
        self.note = Some((path, note));
        Ok(written?)
    }

    /// Removes what was made, because no record will name it.
    pub(crate) fn undo(&self, engine: &Engine) -> Result<()> {
        let mut errors = Errors::default();
        for name in self.note.iter().flat_map(|(_, note)| &note.volumes) {
            errors.note(remove(engine, name));
        }
        errors.into_result()
    }
}

fn remove(engine: &Engine, name: &str) -> Result<()> {
    match engine.volumes().remove(name, &[]) {
        Err(hull_storage::Error::NoSuchVolume(_)) => Ok(()),
        removed => Ok(removed?),
    }
}

impl Drop for NewVolumes {
    fn drop(&mut self) {
        if let Some((path, _)) = &self.note {
            // If this fails, a later command finds the note of a dead process, and that the volumes are used.
            let _ = file::remove(path);
        }
    }
}

fn directory(engine: &Engine) -> PathBuf {
    engine.root().data().join("new-volumes")
}

/// Removes the volumes that killed commands have made for no record. Called by a listing, which does not wait for locks.
pub(crate) fn collect(engine: &Engine) -> Result<()> {
    let directory = directory(engine);
    if !directory.exists() {
        return Ok(());
    }
    let mut errors = Errors::default();
    for name in names_in(&directory)?.iter().filter(|name| name.ends_with(".json")) {
        let path = directory.join(name);
        match file::read_json::<Note>(&path) {
            Ok(Some(note)) if !note.maker.is_alive() => errors.note(settle(engine, &path, &note)),
            // Somebody else has damaged it: hull writes it as a whole.
            Err(hull_storage::Error::Damaged { .. }) => errors.note(file::remove(&path)),
            Ok(_) => {}
            Err(error) => errors.note::<Error>(Err(error.into())),
        }
    }
    errors.note(file::collect(&directory));
    errors.into_result()
}

fn settle(engine: &Engine, path: &std::path::Path, note: &Note) -> Result<()> {
    let uses = engine.root().data().join("uses.lock");
    // The holder may be a command that looks for the users of a volume.
    let Some(_lock) = Lock::try_exclusive(&uses)? else { return Ok(()) };
    let named: Vec<String> = match Record::load(engine.root(), &note.container) {
        Err(Error::NoSuchContainer(_)) => vec![],
        Ok(record) if note.is_change => record.mounts.into_iter().filter_map(|mount| mount.name).collect(),
        Ok(_) => return Ok(file::remove(path)?),
        // It may use all of them.
        Err(_) => return Ok(()),
    };
    for name in note.volumes.iter().filter(|name| !named.contains(name)) {
        remove(engine, name)?;
    }
    Ok(file::remove(path)?)
}
