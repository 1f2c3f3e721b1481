//! `rm`: a container's files, name and anonymous volumes. Goes on past errors and reports them all.

use crate::engine::Engine;
use crate::error::{Error, Errors, Result};
use crate::gc::cgroup_parents;
use crate::gc::killed_monitor::{self, Killer};
use crate::gc::removal::{Remains, remove_files};
use crate::handle::ending::{Done, EndOptions, Ending, end, end_all};
use crate::records::find::directories;
use crate::records::monitor_lock::MonitorLock;
use crate::records::record::Record;
use crate::records::run_dir;
use crate::records::snapshot::Snapshot;
use crate::records::state::Status;

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
            let found = Remains::find(self, name, volumes).and_then(|found| match found.is_protected {
                true => Err(Error::Protected(found.name)),
                false => Ok(found),
            });
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
            let removed = found.and_then(|found| ended.and_then(|_| self.remove_ended(found, force)));
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
        if force {
            run_dir::repair_lock(self.root(), &found.id)?;
        }
        let running = match self.running(&found.id) {
            // Its monitor was killed, and the cleanup removed the container because of `--rm`.
            Err(Error::NoSuchContainer(_)) => None,
            running => running?,
        };
        match running {
            Some(running) if !force && running.is_lost => {
                Err(MonitorLock::refusal(self.root(), &found.id, &found.name))
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
    fn remove_ended(&self, found: Remains, force: bool) -> Result<()> {
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
            // The container was still starting before, or another command has started it meanwhile.
            drop(lock);
            self.begin_remove(&found, force)?.map_or(Ok(()), end)?;
        };
        if snapshot.status == Status::Dead {
            // Its monitor was killed meanwhile.
            killed_monitor::clear(self, &found.id, &snapshot, Killer::Command)?;
            if !root.container_dir(&found.id).exists() {
                return Ok(());
            }
        }
        if MonitorLock::take(root, &found.id)?.is_none() {
            return Err(MonitorLock::refusal(root, &found.id, &found.name));
        }
        // If the container was killed with its monitor and its state was removed, its cgroup may still exist. A failure here
        // ends the removal: processes that still run would use the files.
        killed_monitor::clear_cgroup(self, &cgroup_parents::path_of(self, &found.id))?;
        self.comebacks().forget(&found.id);
        let mut errors = Errors::default();
        // A stopped container has nothing left on any network, unless its file could not be read.
        errors.note(crate::net::clear(self.root(), &found.id));
        errors.note(remove_files(self, found));
        errors.into_result()
    }
}
