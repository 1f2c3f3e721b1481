//! Images, as far as containers stand in the way of removing them.

use hull_image::store::{PrunedImages, Removed};

use crate::engine::Engine;
use crate::error::Result;

impl Engine {
    /// Takes a name away, and with the last one the image, unless a container needs it. `force` does not mind a
    /// stopped container, which then goes on without a name for its image.
    pub fn remove_image(&self, name: &str, force: bool) -> Result<Vec<Removed>> {
        let _lock = self.lock_unused()?;
        let containers = self.list()?;
        let used_by = |id: &hull_image::Digest| {
            let id = id.to_string();
            let user = containers.iter().find(|container| container.image_id == id);
            user.map(|container| container.name.clone())
        };
        Ok(self.images().remove(name, force, &used_by)?)
    }

    /// Removes images without a name, or with `all` every one that no container uses.
    /// Only those that fit.
    pub fn prune_images(
        &self,
        all: bool,
        fits: &dyn Fn(&hull_image::Digest) -> bool,
    ) -> Result<PrunedImages> {
        let _lock = self.lock_unused()?;
        let containers = self.list()?;
        let in_use = |id: &hull_image::Digest| {
            let id = id.to_string();
            containers.iter().any(|container| container.image_id == id)
        };
        Ok(self.images().prune(all, &|id| in_use(id) || !fits(id))?)
    }
}
