//! `system prune` and `container prune`: removes stopped containers, unused networks, images and volumes, and what
//! interrupted commands have left.

use std::collections::HashSet;

use hull_docker::filters::prune::PruneFilters;
use hull_image::Digest;
use hull_image::remove::PrunedImages;

use crate::containers::list::Summary;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events::Event;
use crate::records::pruned::Pruned;
use crate::records::state::Status;

#[derive(Debug, Default)]
pub struct PruneOptions {
    /// Also images that have a name but no container.
    pub all_images: bool,
    /// Also anonymous volumes that no container uses.
    pub volumes: bool,
    /// What is removed has to fit.
    pub filters: PruneFilters,
}

impl Engine {
    /// Containers first: they hold networks, images and volumes. Goes on past errors.
    pub fn prune(&self, options: &PruneOptions) -> Result<Pruned> {
        let filters = &options.filters;
        let mut pruned = self.prune_containers(&|one| filters.fit(&one.labels, Some(one.created)))?;
        match self.prune_networks(&|one| filters.fit(&one.labels, Some(one.created.0))) {
            Ok(networks) => pruned.add(networks),
            Err(error) => pruned.errors.note(Err(error)),
        }
        if options.volumes {
            match self.prune_volumes(false, &|one| filters.fit(&one.labels, Some(one.created()))) {
                Ok(volumes) => pruned.add(volumes),
                Err(error) => pruned.errors.note(Err(error)),
            }
        }
        match self.prune_fitting_images(options.all_images, filters) {
            Ok(images) => {
                pruned.images = images.lines().collect();
                pruned.bytes += images.bytes;
            }
            Err(error) => pruned.errors.note(Err(error)),
        }
        pruned.errors.note(self.volumes().collect());
        Ok(pruned)
    }

    /// [`Self::prune_images`] by docker's filters.
    pub fn prune_fitting_images(&self, all: bool, filters: &PruneFilters) -> Result<PrunedImages> {
        let created = |text: &str| humantime::parse_rfc3339(text).ok();
        let images = self.images().list()?.into_iter();
        let fitting = images.filter(|one| filters.fit(&one.labels, one.created.as_deref().and_then(created)));
        let fitting: HashSet<Digest> = fitting.map(|image| image.id).collect();
        self.prune_images(all || filters.ask_for_all(), &|id| fitting.contains(id))
    }

    /// Removes the stopped containers that fit. Their anonymous volumes stay, as in docker: they may hold the only copy of
    /// something, and are removed only on request.
    pub fn prune_containers(&self, fits: &dyn Fn(&Summary) -> bool) -> Result<Pruned> {
        let mut pruned = Pruned::default();
        for container in self.list()?.iter().filter(|container| fits(container)) {
            // A damaged container is kept, because its user may want to examine it.
            if !matches!(container.status, Status::Exited | Status::Created) || container.damage.is_some() {
                continue;
            }
            let directory = self.root().container_dir(&container.id);
            let bytes = self.size_of(container).map(|(written, _)| written);
            let removed = match bytes {
                Ok(bytes) => self.remove(&container.id, false, false).map(|()| bytes),
                Err(error) => Err(error),
            };
            match removed {
                Ok(bytes) => {
                    pruned.containers.push(container.id.clone());
                    pruned.bytes += bytes;
                }
                // Another command has removed or started the container since the listing, or the container is
                // protected.
                Err(Error::NoSuchContainer(_) | Error::InUse { .. } | Error::Protected(_)) => {}
                Err(_) if !directory.exists() => {}
                Err(error) => pruned.errors.note(Err(error.for_container(&container.name))),
            }
        }
        Event::prune("container", pruned.bytes).emit(self);
        Ok(pruned)
    }
}
