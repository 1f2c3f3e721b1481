//! `rm`: a container's files, name and anonymous volumes. Goes on past errors and reports the first.

use std::io::ErrorKind;
use std::path::Path;

use hull_storage::root::Root;
use hull_storage::{names, staging};

use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::lifecycle::RunningContainer;
use crate::monitor::recover;
use crate::presence::Presence;
use crate::record::Record;
use crate::state::{Snapshot, Status};

impl Engine {
    /// `force` kills a running container first; `volumes` also removes its anonymous volumes.
    pub fn remove(&self, name: &str, force: bool, volumes: bool) -> Result<()> {
        let record = self.find(name)?;
        let (lock, snapshot) = loop {
            if let Some(running) = self.running(&record)? {
                if !force {
                    return Err(Error::InUse { name: record.name, state: running.status.as_str() });
                }
                self.end_by_force(&record, running)?;
            }
            // With `--rm` the monitor has removed it by now.
            if !self.root().container_dir(&record.id).exists() {
                return Ok(());
            }
            let lock = self.lock(&record.id)?;
            let snapshot = Snapshot::take(self.root(), &record.id)?;
            match snapshot.status.is_active() {
                // One that was still starting when we looked holds the lock until it runs.
                true if force => drop(lock),
                true => return Err(Error::InUse { name: record.name, state: snapshot.status.as_str() }),
                false => break (lock, snapshot),
            }
        };
        if snapshot.status == Status::Dead {
            // Its monitor was killed while we were on our way.
            recover::clear(self, &record.id, &snapshot)?;
            if !self.root().container_dir(&record.id).exists() {
                return Ok(());
            }
        }
        if Presence::take(self.root(), &record.id)?.is_none() {
            return Err(Presence::refusal(&record));
        }
        // Of one that was killed with its monitor, and whose state somebody has removed, the cgroup may still be there.
        if let Ok(cgroup) = self.cgroup(&self.cgroup_path(&record.id))
            && cgroup.exists()
        {
            cgroup.kill_all()?;
            cgroup.remove()?;
        }
        let removed = remove_files(self, &record, volumes);
        drop(lock);
        removed
    }

    fn end_by_force(&self, record: &Record, mut running: RunningContainer) -> Result<()> {
        running.say_stopping(self.root(), &record.id, false)?;
        running.signal(nix::libc::SIGKILL)?;
        if running.status == Status::Paused {
            self.thaw(record)?;
        }
        running.wait(None).map(drop)
    }
}

/// Everything a container has on disk. Its directory is first renamed out of sight: from then on the container does
/// not exist, and what an interruption leaves is cleared by the next listing.
pub(crate) fn remove_files(engine: &Engine, record: &Record, volumes: bool) -> Result<()> {
    let root = engine.root();
    let mut first = Ok(());
    let mut note = |result: Result<()>| {
        if first.is_ok() {
            first = result;
        }
    };
    note(staging::remove_whole(&root.container_dir(&record.id)).map_err(Error::from));
    note(names::release(root, &record.name, &record.id).map_err(Error::from));
    if volumes {
        for name in
            record.mounts.iter().filter(|mount| mount.anonymous).filter_map(|mount| mount.name.as_ref())
        {
            // docker's rule: a volume that another container took with --volumes-from stays for that one.
            match engine.remove_volume_of_container(name) {
                Err(Error::Storage(hull_storage::Error::VolumeInUse { .. })) => {}
                removed => note(removed),
            }
        }
    }
    note(remove_run_dir(root, &record.id));
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
