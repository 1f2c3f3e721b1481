//! Names, archives and registries: calls of the image store, each with its events.

use std::io::{Read, Write};

use hull_image::Digest;
use hull_image::archive::{self, ImportOptions, LoadSource, Loaded, SaveCompression, SaveFormat};
use hull_image::assemble::{Assembled, Assembly};
use hull_image::progress::Progress;
use hull_image::pull::{self, PullOptions, Pulled};
use hull_image::push::{self, Pushed};
use hull_image::reference::Reference;
use hull_image::registry::Access;

use super::events::ImageOfEvent;
use crate::engine::Engine;
use crate::error::Result;
use crate::events::emit_all;

impl Engine {
    /// Makes an image of layers that the store has: [`hull_image::store::Images::assemble`].
    pub fn assemble_image(&self, assembly: &Assembly, names: &[Reference]) -> Result<Assembled> {
        let made = self.images().assemble(assembly, names)?;
        names.iter().for_each(|name| self.emit_tag(name));
        Ok(made)
    }

    /// Pulls the first of the candidates that a registry has.
    pub fn pull_image(
        &self,
        access: &Access,
        candidates: &[Reference],
        options: &PullOptions<'_>,
    ) -> Result<Pulled> {
        let pulled = pull::pull(self.images(), access, candidates, options)?;
        self.emit_pulled(&pulled);
        Ok(pulled)
    }

    /// Pushes the image `name` as `target`.
    pub fn push_image(
        &self,
        access: &Access,
        name: &str,
        target: &Reference,
        progress: &dyn Progress,
    ) -> Result<Pushed> {
        let pushed = push::push(self.images(), access, name, target, progress)?;
        self.emit_transfer(target, name, "push");
        Ok(pushed)
    }

    /// Pushes the image `name` under its own name, with the layers as they are in the store.
    pub fn push_built_image(&self, access: &Access, name: &Reference) -> Result<Pushed> {
        let silent = &hull_image::progress::Silent;
        let pushed = push::push_as_it_is(self.images(), access, &name.canonical(), name, silent)?;
        self.emit_transfer(name, &name.canonical(), "push");
        Ok(pushed)
    }

    /// Gives an image another name.
    pub fn tag_image(&self, source: &str, target: &Reference) -> Result<()> {
        self.images().tag(source, target)?;
        self.emit_tag(target);
        Ok(())
    }

    /// Removes these names of an image, or all of its names. The image itself is kept. Returns the names.
    pub fn untag_image(&self, name: &str, names: &[Reference]) -> Result<Vec<String>> {
        let image = ImageOfEvent::find(self, name);
        let gone = self.images().untag(name, names)?;
        emit_all(self, image.iter().flat_map(|image| gone.iter().map(|_| image.event("untag"))));
        Ok(gone)
    }

    /// Makes an image of a tar.
    pub fn import_image(
        &self,
        stream: impl Read,
        name: Option<&Reference>,
        options: ImportOptions,
    ) -> Result<Digest> {
        let id = archive::import(self.images(), stream, name, options)?;
        name.into_iter().for_each(|name| self.emit_tag(name));
        self.emit_image(&id.to_string(), "import");
        Ok(id)
    }

    /// Reads the images of an archive.
    pub fn load_images(
        &self,
        source: LoadSource<'_>,
        platform: Option<&hull_image::platform::Platform>,
    ) -> Result<Vec<Loaded>> {
        let loaded = archive::load(self.images(), source, platform)?;
        loaded.iter().for_each(|image| self.emit_image(&image.id.to_string(), "load"));
        Ok(loaded)
    }

    /// Writes images as an archive.
    pub fn save_images(
        &self,
        names: &[String],
        out: impl Write,
        format: SaveFormat,
        compression: SaveCompression,
    ) -> Result<()> {
        archive::save(self.images(), names, out, format, compression)?;
        names.iter().for_each(|name| self.emit_image(name, "save"));
        Ok(())
    }

    pub(crate) fn emit_tag(&self, name: &Reference) {
        if let Some(image) = ImageOfEvent::find(self, &name.canonical()) {
            image.named(&name.familiar(), "tag").emit(self);
        }
    }

    /// The events of an image that a container was committed to.
    pub(crate) fn emit_committed(&self, id: &Digest, name: Option<&Reference>) {
        self.emit_image(&id.to_string(), "create");
        name.into_iter().for_each(|name| self.emit_tag(name));
    }
}
