//! `system prune`: stopped containers, unused images and volumes, and what interrupted commands left.

use hull_storage::tree;

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
    /// Containers first: they hold images and volumes.
    pub fn prune(&self, options: PruneOptions) -> Result<Pruned> {
        let mut pruned = Pruned::default();
        for id in self.ids()? {
            self.prune_container(&id, &mut pruned)?;
        }
        let images = self.prune_images(options.all_images)?;
        pruned.images = images.deleted;
        pruned.bytes += images.bytes;
        if options.volumes {
            let volumes = self.prune_volumes(false)?;
            pruned.volumes = volumes.volumes;
            pruned.bytes += volumes.bytes;
        }
        self.volumes().collect()?;
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
