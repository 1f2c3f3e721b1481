//! `system prune` and the volumes that go with containers.

use std::collections::BTreeSet;

use hull_storage::tree;
use hull_storage::volumes::Volumes;

use crate::engine::Engine;
use crate::error::Result;
use crate::record::Record;
use crate::state::{Snapshot, Status};

#[derive(Debug, Clone, Copy, Default)]
pub struct PruneOptions {
    /// Also images that have a name but no container.
    pub all_images: bool,
    /// Also anonymous volumes that no container uses.
    pub volumes: bool,
}

#[derive(Debug, Clone, Default)]
pub struct Pruned {
    pub containers: Vec<String>,
    pub images: Vec<String>,
    pub volumes: Vec<String>,
    /// Bytes given back to the file system.
    pub bytes: u64,
}

impl Engine {
    pub fn volumes(&self) -> Volumes {
        Volumes::new(self.root())
    }

    /// Removes a volume unless a container uses it.
    pub fn remove_volume(&self, name: &str) -> Result<()> {
        Ok(self.volumes().remove(name, &self.users_of_volume(name)?)?)
    }

    fn users_of_volume(&self, name: &str) -> Result<Vec<String>> {
        let mut users = Vec::new();
        for id in self.ids()? {
            // One that is being removed uses nothing.
            let Ok(record) = Record::load(self.root(), &id) else { continue };
            if record.mounts.iter().any(|mount| mount.name.as_deref() == Some(name)) {
                users.push(record.name);
            }
        }
        Ok(users)
    }

    /// Removes stopped containers, unused images, and what interrupted commands left.
    pub fn prune(&self, options: PruneOptions) -> Result<Pruned> {
        let mut pruned = Pruned::default();
        for id in self.ids()? {
            self.prune_container(&id, &mut pruned)?;
        }
        let used: BTreeSet<String> = self.list()?.into_iter().map(|container| container.image_id).collect();
        let removed = self.images().prune(options.all_images, &|id| used.contains(&id.to_string()))?;
        pruned.images = removed.deleted;
        pruned.bytes += removed.bytes;
        if options.volumes {
            for volume in self.volumes().list()? {
                if volume.anonymous && self.users_of_volume(&volume.name)?.is_empty() {
                    pruned.bytes += tree::disk_usage(&self.volumes().data_dir(&volume.name)?)?;
                    self.remove_volume(&volume.name)?;
                    pruned.volumes.push(volume.name);
                }
            }
        }
        Ok(pruned)
    }

    fn prune_container(&self, id: &str, pruned: &mut Pruned) -> Result<()> {
        let directory = self.root().container_dir(id);
        let Ok(record) = Record::load(self.root(), id) else {
            return self.prune_remains(id);
        };
        let mut status = Snapshot::take(self.root(), id)?.status;
        if status == Status::Dead && self.running(&record)?.is_none() {
            status = Status::Exited;
        }
        if status == Status::Exited || status == Status::Created {
            let bytes = tree::disk_usage(&directory.join("upper"))?;
            self.remove(id, false, true)?;
            pruned.containers.push(id.to_owned());
            pruned.bytes += bytes;
        }
        Ok(())
    }

    /// A directory without a record: a `create` in progress, which is younger than this, or what one left.
    fn prune_remains(&self, id: &str) -> Result<()> {
        const LONG_AGO: std::time::Duration = std::time::Duration::from_secs(60);
        let directory = self.root().container_dir(id);
        let age = std::fs::metadata(&directory).and_then(|metadata| metadata.modified());
        if age.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > LONG_AGO)) {
            tree::remove_tree(&directory)?;
        }
        Ok(())
    }
}
