//! The lock of each container, and the lock that protects images and volumes while a container is created on them.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use hull_storage::lock::Lock;

use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::records::run_dir;
use crate::records::snapshot::Snapshot;
use crate::records::state::{Phase, Status};

/// How long to wait for another command that holds the container's lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);

impl Engine {
    /// Shared with other commands. Held from the lookup of an image and volumes until the container that uses them exists.
    pub(crate) fn lock_in_use(&self) -> Result<Lock> {
        Ok(Lock::shared_unless_stopped(&self.root().data().join("uses.lock"))?)
    }

    /// Exclusive. Held from the search for users of an image or a volume until it is removed.
    pub(crate) fn lock_unused(&self) -> Result<Lock> {
        Ok(Lock::exclusive_within(&self.root().data().join("uses.lock"), None)?)
    }

    /// A container's lock, for one transition. Fails if the container no longer exists once the lock is granted.
    pub(crate) fn lock(&self, id: &str) -> Result<Lock> {
        let locked = self.lock_with(id, |path| Lock::exclusive_within(path, Some(LOCK_TIMEOUT)));
        let lock = locked.map_err(|error| match error {
            Error::Storage(hull_storage::Error::Held { holder, is_stopped, .. }) => {
                Error::Busy { name: id.to_owned(), holder, is_stopped }
            }
            Error::Storage(hull_storage::Error::Io { source, .. })
                if source.kind() == ErrorKind::IsADirectory =>
            {
                Error::DamagedRecord { name: id.to_owned(), why: "its lock file is a directory".to_owned() }
            }
            other => other,
        })?;
        if !self.root().container_dir(id).exists() {
            // The run directory was created by this attempt, or left by the last holder.
            run_dir::remove(self.root(), id)?;
            return Err(Error::NoSuchContainer(id.to_owned()));
        }
        Ok(lock)
    }

    /// [`Self::lock`] without waiting. `None` if another command holds the lock.
    pub(crate) fn lock_if_free(&self, id: &str) -> Result<Option<Lock>> {
        match self.lock_with(id, |path| Lock::exclusive_within(path, Some(Duration::ZERO))) {
            Ok(lock) => Ok(Some(lock)),
            Err(Error::Storage(hull_storage::Error::Held { .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The container at a moment when no start of it is in progress. A start is waited for, because until its end the
    /// container counts as running and has no process yet. The caller holds no lock of this container.
    pub(crate) fn snapshot_after_start(&self, id: &str) -> Result<Snapshot> {
        let snapshot = Snapshot::take(self.root(), id)?;
        let is_starting = snapshot.state.as_ref().is_some_and(|state| state.phase == Phase::Starting);
        if !is_starting || snapshot.status != Status::Running {
            return Ok(snapshot);
        }
        drop(self.lock(id)?);
        Snapshot::take(self.root(), id)
    }

    /// The same as [`Self::lock`] for the container's monitor, which waits without a limit.
    pub(crate) fn lock_as_monitor(&self, id: &str) -> Result<Lock> {
        self.lock_with(id, Lock::exclusive)
    }

    fn lock_with(
        &self,
        id: &str,
        take: impl Fn(&Path) -> std::result::Result<Lock, hull_storage::Error>,
    ) -> Result<Lock> {
        let directory = self.root().container_run_dir(id);
        loop {
            std::fs::create_dir_all(&directory).context(|| format!("create {}", directory.display()))?;
            match take(&directory.join(run_dir::LOCK)) {
                // The container's monitor held the lock, and has removed the directory.
                Err(hull_storage::Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {}
                other => return Ok(other?),
            }
        }
    }
}
