//! podman's `mount` and `unmount`: a container's root file system, visible on the host.

use std::path::PathBuf;

use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::gc::killed_monitor::{self, Killer};
use crate::records::record::Record;
use crate::records::snapshot::Snapshot;
use crate::records::state::Status;
use crate::rootfs::{host_mount, mount};

/// A container whose root is mounted on the host.
#[derive(Debug, Clone)]
pub struct MountedContainer {
    pub id: String,
    pub name: String,
    pub path: PathBuf,
}

impl Engine {
    /// Mounts a container's root in the mount namespace of the caller, running or not, and returns where. Each call counts:
    /// as many calls of [`Self::unmount`] unmount it.
    pub fn mount(&self, name: &str) -> Result<PathBuf> {
        refuse_unprivileged()?;
        let record = self.find(name)?;
        if record.id_maps.is_some() {
            let text = format!(
                "container {name} has ids of its own (--userns), which the host would not understand"
            );
            return Err(Error::Unsupported(text));
        }
        let _mounts = host_mount::lock(self.root())?;
        let _lock = self.lock(&record.id).map_err(|error| error.for_container(name))?;
        let record = Record::load(self.root(), &record.id)?;
        let snapshot = Snapshot::take(self.root(), &record.id)?;
        if snapshot.status == Status::Dead {
            killed_monitor::clear(self, &record.id, &snapshot, Killer::Unknown)?;
            // A container with --rm was removed by this cleanup.
            Record::load(self.root(), &record.id).map_err(|error| error.for_container(name))?;
        }
        let monitor = snapshot.state.filter(|_| snapshot.status.is_active()).map(|state| state.monitor);
        host_mount::add(self.root(), &record.id, |target| {
            let context = || format!("mount the root of container {name}");
            let Some(monitor) = monitor else { return mount::mount_for_host(self, &record, target) };
            let tree = host_mount::clone_from_monitor(&monitor, &mount::rootfs(self, &record))?;
            let point = std::fs::File::open(target).context(context)?;
            hull_sys::mount::attach(&tree, &point).context(context)
        })
    }

    /// Undoes one [`Self::mount`], or with `force` all of them, even if files are open there. A container that is not
    /// mounted is no error, as in podman.
    pub fn unmount(&self, name: &str, force: bool) -> Result<()> {
        refuse_unprivileged()?;
        let id = self.resolve(name)?;
        let _mounts = host_mount::lock(self.root())?;
        host_mount::subtract(self.root(), &id, force)
    }

    /// The containers that are mounted on the host.
    pub fn mounted(&self) -> Result<Vec<MountedContainer>> {
        host_mount::collect(self.root(), |id| self.root().container_dir(id).exists())?;
        let ids = host_mount::mounted(self.root())?.into_iter();
        Ok(ids
            .map(|id| MountedContainer {
                name: Record::load(self.root(), &id).map_or_else(|_| id.clone(), |record| record.name),
                path: host_mount::path(self.root(), &id),
                id,
            })
            .collect())
    }
}

fn refuse_unprivileged() -> Result<()> {
    match crate::rootless::has_entered() {
        true => Err(Error::Unsupported(
            "an unprivileged user's mounts are seen only inside a user namespace: run it inside of podman unshare, or of \
             unshare with newuidmap"
                .into(),
        )),
        false => Ok(()),
    }
}
