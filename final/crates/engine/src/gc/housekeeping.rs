//! Cleans up what killed commands and monitors have left. Every listing does so, because it reads the same directories
//! anyway. A start never looks for leftovers.

use std::collections::{HashMap, HashSet};

use hull_storage::lock::Lock;
use hull_storage::{file, names, staging};

use crate::attach::registration;
use crate::engine::Engine;
use crate::error::{Error, Errors, Result};
use crate::gc::killed_monitor::{self, Killer};
use crate::gc::{cgroup_parents, limits};
use crate::records::exec_registry;
use crate::records::record::Record;
use crate::records::snapshot::Snapshot;
use crate::records::state::Status;

impl Engine {
    /// Cleans up a container whose monitor was killed, and takes a new snapshot.
    pub(crate) fn clear_if_dead(&self, record: &Record, snapshot: Snapshot) -> Result<Snapshot> {
        self.clear_if_dead_by_id(&record.id, snapshot).map_err(|error| error.for_container(&record.name))
    }

    /// The same if the record is not known.
    pub(crate) fn clear_if_dead_by_id(&self, id: &str, snapshot: Snapshot) -> Result<Snapshot> {
        if snapshot.status != Status::Dead {
            return Ok(snapshot);
        }
        let _lock = self.lock(id)?;
        self.clear_dead(id)?.ok_or_else(|| Error::NoSuchContainer(id.to_owned()))
    }

    /// The same for a listing, which never waits: if another command holds the lock, that one cleans up.
    pub(crate) fn try_clear_dead(&self, id: &str, snapshot: Snapshot) -> Option<Snapshot> {
        match Lock::try_exclusive(&self.root().container_run_dir(id).join("lock")) {
            // It is listed as dead even when a full disk prevents writing that down.
            Ok(Some(_lock)) => self.clear_dead(id).unwrap_or(Some(snapshot)),
            _ => Some(snapshot),
        }
    }

    /// Under the container's lock. `None` for a container that went with its monitor (`--rm`).
    fn clear_dead(&self, id: &str) -> Result<Option<Snapshot>> {
        let snapshot = Snapshot::take(self.root(), id)?;
        if snapshot.status == Status::Dead
            && let Err(error) = killed_monitor::clear(self, id, &snapshot, Killer::Unknown)
            && Snapshot::take(self.root(), id)?.status == Status::Dead
        {
            return Err(error);
        }
        match self.root().container_dir(id).exists() {
            true => Snapshot::take(self.root(), id).map(Some),
            false => Ok(None),
        }
    }

    /// Removes what belongs to no container. Goes on past errors and reports them all. `containers` are all ids with
    /// their names, `with_state` the ids that have a directory below the run root.
    pub(crate) fn collect_garbage(
        &self,
        containers: &HashMap<&str, &str>,
        with_state: &HashSet<String>,
    ) -> Result<()> {
        let root = self.root();
        let mut errors = Errors::default();
        if with_state.is_empty() {
            self.remove_empty_cgroup_parent();
            errors.note(cgroup_parents::remove_unused(self));
        }
        errors.note(staging::collect(&root.containers_dir()));
        errors.note(crate::gc::steps::collect(self));
        let known: HashSet<&str> = containers.values().copied().collect();
        errors.note(names::collect(root, |name| known.contains(name)));
        errors.note(file::collect(root.data()));
        errors.note(exec_registry::collect(root));
        let exists = |id: &str| containers.contains_key(id) || root.container_dir(id).exists();
        errors.note(crate::rootfs::host_mount::collect(root, exists));
        errors.note(crate::pools::clean::collect(self, exists));
        errors.note(self.volumes().collect());
        errors.note(crate::new_volumes::collect(self));
        for id in with_state {
            errors.note(limits::settle_unlocked(self, id));
            if !containers.contains_key(id.as_str()) && !root.container_dir(id).exists() {
                registration::dismiss_all(&root.container_run_dir(id), id);
                errors.note(crate::records::run_dir::remove(root, id));
            }
        }
        errors.into_result()
    }
}
