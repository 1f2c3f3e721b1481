//! `rm`: a container's files, name and anonymous volumes. Goes on past errors and reports the first.

use std::io::ErrorKind;
use std::path::Path;

use hull_storage::root::Root;
use hull_storage::{names, staging};

use crate::engine::{Engine, directories};
use crate::error::{Error, IoContext, Result};
use crate::gc::recover;
use crate::handle::ending::{Done, EndOptions, Ending, end, end_all};
use crate::records::monitor_lock::Presence;
use crate::records::record::Record;
use crate::records::state::{Snapshot, Status};

/// What is to be removed. If the container's record is damaged, what can be found out without it.
pub(crate) struct Remains {
    id: String,
    /// The name that the user knows it by.
    name: String,
    names: Vec<String>,
    /// The anonymous volumes that go with it.
    volumes: Vec<String>,
    is_damaged: bool,
}

impl Remains {
    pub(crate) fn of(record: &Record, with_volumes: bool) -> Self {
        let anonymous = record.mounts.iter().filter(|mount| mount.anonymous && with_volumes);
        Self {
            id: record.id.clone(),
            name: record.name.clone(),
            names: vec![record.name.clone()],
            volumes: anonymous.filter_map(|mount| mount.name.clone()).collect(),
            is_damaged: false,
        }
    }

    fn find(engine: &Engine, name: &str, with_volumes: bool) -> Result<Self> {
        let id = engine.resolve(name)?;
        match Record::load(engine.root(), &id) {
            Ok(record) => Ok(Self::of(&record, with_volumes)),
            Err(Error::DamagedRecord { .. }) => {
                let names = names::of_container(engine.root(), &id)?;
                Ok(Self { id, name: name.to_owned(), names, volumes: vec![], is_damaged: true })
            }
            Err(error) => Err(error.for_container(name)),
        }
    }
}

impl Engine {
    /// `force` kills a running container first; `volumes` also removes its anonymous volumes.
    pub fn remove(&self, name: &str, force: bool, volumes: bool) -> Result<()> {
        let mut outcome = Ok(());
        self.remove_all(&[name.to_owned()], force, volumes, &mut |_, removed| outcome = removed);
        outcome
    }

    /// Removes several containers. With `force` all of them are ended at once first. Calls `done` for each, in the
    /// order of the names.
    pub fn remove_all(&self, names: &[String], force: bool, volumes: bool, done: Done<'_>) {
        let mut remains = Vec::with_capacity(names.len());
        let mut begun = Vec::with_capacity(names.len());
        for name in names {
            let found = Remains::find(self, name, volumes);
            begun.push(match &found {
                Ok(found) => self.begin_remove(found, force),
                Err(_) => Ok(None),
            });
            remains.push(found);
        }
        let mut remains = remains.into_iter();
        let mut removed_any = false;
        end_all(begun, &mut |index, ended| {
            let found = remains.next().unwrap_or_else(|| Err(Error::NoSuchContainer(String::new())));
            let removed = found.and_then(|found| ended.and_then(|()| self.remove_ended(&found, force)));
            removed_any |= removed.is_ok();
            done(index, removed);
        });
        if removed_any && directories(&self.root().run().join("containers")).is_ok_and(|ids| ids.is_empty()) {
            self.remove_empty_cgroup_parent();
        }
    }

    fn begin_remove(&self, found: &Remains, force: bool) -> Result<Option<Ending<'_>>> {
        if found.is_damaged && !force {
            // Without its record it is not certain what is removed, so that takes `force`. Loading it reports the
            // damage.
            Record::load(self.root(), &found.id).map_err(|error| error.for_container(&found.name))?;
        }
        let running = match self.running(&found.id) {
            // Its monitor was killed, and the cleanup removed the container because of `--rm`.
            Err(Error::NoSuchContainer(_)) => None,
            running => running?,
        };
        match running {
            Some(running) if !force && running.is_lost => {
                Err(Presence::refusal(self.root(), &found.id, &found.name))
            }
            Some(running) if !force => {
                Err(Error::InUse { name: found.name.clone(), state: running.status.as_str() })
            }
            Some(running) => {
                let options = EndOptions { force: true, ..EndOptions::KILL };
                Ok(Some(Ending::begin(self, &found.id, &found.name, running, options)))
            }
            None => Ok(None),
        }
    }

    /// Removes a container whose monitor has ended.
    fn remove_ended(&self, found: &Remains, force: bool) -> Result<()> {
        let root = self.root();
        let (_lock, snapshot) = loop {
            let lock = match self.lock(&found.id) {
                // With `--rm` the monitor has removed it by now.
                Err(Error::NoSuchContainer(_)) => return Ok(()),
                lock => lock.map_err(|error| error.for_container(&found.name))?,
            };
            let snapshot = Snapshot::take(root, &found.id)?;
            if !snapshot.status.is_active() {
                break (lock, snapshot);
            }
            // It was still starting at the first look, or another command has started it since.
            drop(lock);
            self.begin_remove(found, force)?.map_or(Ok(()), end)?;
        };
        if snapshot.status == Status::Dead {
            // Its monitor was killed while we were on our way.
            recover::clear(self, &found.id, &snapshot)?;
            if !root.container_dir(&found.id).exists() {
                return Ok(());
            }
        }
        if Presence::take(root, &found.id)?.is_none() {
            return Err(Presence::refusal(root, &found.id, &found.name));
        }
        // Of one that was killed with its monitor, and whose state somebody has removed, the cgroup may still be there.
        recover::clear_cgroup(self, &self.cgroup_path(&found.id))?;
        // A stopped container has nothing left on any network, unless its file could not be read.
        let disconnected = crate::net::clear(self, &found.id);
        remove_files(self, found).and(disconnected)
    }
}

/// Everything a container has on disk. Its directory is first renamed out of sight: from then on the container does
/// not exist, and what an interruption leaves is cleared by the next listing.
pub(crate) fn remove_files(engine: &Engine, remains: &Remains) -> Result<()> {
    let root = engine.root();
    let mut first = Ok(());
    let mut note = |result: Result<()>| {
        if first.is_ok() {
            first = result;
        }
    };
    note(staging::remove_whole(&root.container_dir(&remains.id)).map_err(Error::from));
    for name in &remains.names {
        note(names::release(root, name, &remains.id).map_err(Error::from));
    }
    for name in &remains.volumes {
        // docker's rule: a volume that another container took with --volumes-from stays for that one, and goes with it.
        match engine.remove_volume_of_container(name) {
            Err(Error::Storage(
                hull_storage::Error::VolumeInUse { .. } | hull_storage::Error::NoSuchVolume(_),
            )) => {}
            removed => note(removed),
        }
    }
    note(remove_run_dir(root, &remains.id));
    first
}

/// The lock file goes last: who waits for it sees, by looking at its path again, that it is gone.
pub(crate) fn remove_run_dir(root: &Root, id: &str) -> Result<()> {
    let directory = root.container_run_dir(id);
    let entries = match std::fs::read_dir(&directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.context(|| format!("read {}", directory.display()))?,
    };
    for entry in entries.flatten().filter(|entry| entry.file_name() != "lock") {
        // The only directory is where the root file system was mounted, in a namespace that is gone.
        match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            true => remove_directory(&entry.path())?,
            false => remove_file(&entry.path())?,
        }
    }
    remove_file(&directory.join("lock"))?;
    remove_directory(&directory)
}

/// An empty one. When it is not, another command has begun to start the container again.
fn remove_directory(path: &Path) -> Result<()> {
    match std::fs::remove_dir(path) {
        Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => {
            Err(error).context(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn remove_file(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).context(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
