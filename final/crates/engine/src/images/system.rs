//! LXD's verbs for images: archives, properties and aliases, with the events of each.

use std::collections::BTreeMap;
use std::io::Read;

use hull_image::Digest;
use hull_image::archive::{ImportOptions, Received};
use hull_image::lxd::Described;
use hull_image::reference::Reference;

use crate::engine::Engine;
use crate::error::Result;

impl Engine {
    /// Reads an archive that is to become an image, as [`Received::take`] does.
    pub fn receive_image(&self, stream: impl Read) -> Result<Received<'_>> {
        Ok(Received::take(self.images(), stream, None)?)
    }

    /// Makes an image from a received archive.
    pub fn finish_image(
        &self,
        received: Received<'_>,
        names: &[Reference],
        options: ImportOptions,
    ) -> Result<Digest> {
        let id = received.finish(names, options)?;
        names.iter().for_each(|name| self.emit_tag(name));
        self.emit_image(&id.to_string(), "import");
        Ok(id)
    }

    /// An image as LXD describes it.
    pub fn described_image(&self, name: &str) -> Result<Described> {
        Ok(self.images().described(name)?)
    }

    /// Changes LXD's properties of an image, whose id stays.
    pub fn change_image_properties(
        &self,
        name: &str,
        change: impl FnOnce(&mut BTreeMap<String, String>) -> hull_image::Result<()>,
    ) -> Result<()> {
        Ok(self.images().change_properties(name, change)?)
    }

    /// Removes an image that has no name any more and that nothing uses.
    pub fn remove_unnamed_image(&self, id: &Digest) -> Result<()> {
        let listed = self.images().list()?;
        if listed.iter().any(|image| image.id == *id && image.names.is_empty()) {
            // If a container uses the image, it is kept, which is no error.
            let _ = self.remove_images(&[id.to_string()], false)?;
        }
        Ok(())
    }
}
