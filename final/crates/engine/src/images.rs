//! Removing images, except those that containers use.

use std::collections::HashMap;

use hull_image::store::{PrunedImages, Removed};

use crate::engine::Engine;
use crate::error::Result;

impl Engine {
    /// Removes names, and an image with its last name, unless a container uses it. With `force` an image that a
    /// container uses only loses its names. Returns one result for each name.
    pub fn remove_images(
        &self,
        names: &[String],
        force: bool,
    ) -> Result<Vec<hull_image::Result<Vec<Removed>>>> {
        let _lock = self.lock_unused()?;
        let users = self.users_of_images()?;
        let used_by = |id: &hull_image::Digest| users.get(&id.to_string()).cloned();
        Ok(self.images().remove(names, force, &used_by)?)
    }

    /// Removes images without a name, or with `all` every image that no container uses, if they fit.
    pub fn prune_images(
        &self,
        all: bool,
        fits: &dyn Fn(&hull_image::Digest) -> bool,
    ) -> Result<PrunedImages> {
        let _lock = self.lock_unused()?;
        let users = self.users_of_images()?;
        let in_use = |id: &hull_image::Digest| users.contains_key(&id.to_string());
        Ok(self.images().prune(all, &|id| in_use(id) || !fits(id))?)
    }

    /// For the id of each image in use, the name of a container that uses it.
    fn users_of_images(&self) -> Result<HashMap<String, String>> {
        Ok(self.list()?.into_iter().map(|container| (container.image_id, container.name)).collect())
    }
}
