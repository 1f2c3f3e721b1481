//! Images, as far as containers stand in the way of removing them.

use hull_image::store::{PrunedImages, Removed};
use hull_storage::lock::Lock;

use crate::engine::Engine;
use crate::error::Result;

impl Engine {
    /// Held, with others, from looking up an image until the container that uses it can be seen.
    pub(crate) fn lock_images_in_use(&self) -> Result<Lock> {
        Ok(Lock::shared(&self.root().data().join("images.lock"))?)
    }

    /// Held alone from looking for users of an image until it is gone.
    fn lock_unused_images(&self) -> Result<Lock> {
        Ok(Lock::exclusive(&self.root().data().join("images.lock"))?)
    }

    /// Takes a name away, and with the last one the image, unless a container needs it. `force` does not mind a
    /// stopped container, which then goes on without a name for its image.
    pub fn remove_image(&self, name: &str, force: bool) -> Result<Vec<Removed>> {
        let _lock = self.lock_unused_images()?;
        let containers = self.list()?;
        let used_by = |id: &hull_image::Digest| {
            let id = id.to_string();
            let user = containers.iter().find(|container| container.image_id == id);
            user.map(|container| container.name.clone())
        };
        Ok(self.images().remove(name, force, &used_by)?)
    }

    /// Removes images without a name, or with `all` every one that no container uses.
    pub fn prune_images(&self, all: bool) -> Result<PrunedImages> {
        let _lock = self.lock_unused_images()?;
        let containers = self.list()?;
        let in_use = |id: &hull_image::Digest| {
            let id = id.to_string();
            containers.iter().any(|container| container.image_id == id)
        };
        Ok(self.images().prune(all, &in_use)?)
    }
}
