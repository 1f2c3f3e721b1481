//! `system prune` and `container prune`: removes stopped containers, unused networks, images and volumes, and what
//! interrupted commands have left.

use hull_storage::tree;

use crate::containers::list::Summary;
use crate::engine::Engine;
use crate::error::Result;
use crate::records::pruned::Pruned;
use crate::records::state::Status;

#[derive(Debug, Clone, Copy, Default)]
pub struct PruneOptions {
    /// Also images that have a name but no container.
    pub all_images: bool,
    /// Also anonymous volumes that no container uses.
    pub volumes: bool,
}

impl Engine {
    /// Containers first: they hold networks, images and volumes.
    pub fn prune(&self, options: PruneOptions) -> Result<Pruned> {
        let mut pruned = self.prune_containers(&|_| true)?;
        pruned.networks = self.prune_networks()?;
        let images = self.prune_images(options.all_images, &|_| true)?;
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

    /// Removes the stopped containers that fit. Their anonymous volumes stay, as in docker: they may hold the only copy of
    /// something, and are removed only on request.
    pub fn prune_containers(&self, fits: &dyn Fn(&Summary) -> bool) -> Result<Pruned> {
        let mut pruned = Pruned::default();
        for container in self.list()?.iter().filter(|container| fits(container)) {
            // A damaged container is kept, because its user may want to examine it.
            if matches!(container.status, Status::Exited | Status::Created) && container.damage.is_none() {
                let upper = self.root().container_dir(&container.id).join("upper");
                let bytes = tree::disk_usage(&upper)?;
                self.remove(&container.id, false, false)?;
                pruned.containers.push(container.id.clone());
                pruned.bytes += bytes;
            }
        }
        Ok(pruned)
    }
}
