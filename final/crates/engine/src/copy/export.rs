//! `export`: what a container's root holds, without its volumes, as a tar.

use std::io::Write;
use std::path::Path;

use hull_image::packing::Packer;

use super::entry::finish;
use super::root::ContainerRoot;
use super::tree::{self, Scope};
use super::view::View;
use crate::engine::Engine;
use crate::error::{IoContext, Result};
use crate::events::Event;

impl Engine {
    /// Writes the container's files as a tar. The calling process mounts a stopped container in a new mount namespace,
    /// in which it stays, so it should end afterwards.
    pub fn export(&self, name: &str, to: impl Write) -> Result<()> {
        self.export_to(name, || Ok(to)).map(drop)
    }

    /// The same. `begin` is called once nothing but reading can fail, and returns where the tar goes, which is handed back.
    pub fn export_to<W: Write>(&self, name: &str, begin: impl FnOnce() -> std::io::Result<W>) -> Result<W> {
        let record = self.find(name)?;
        let (root, guard) = ContainerRoot::open(self, &record)?;
        let source =
            View::container(root, name).with_ids(guard.ids(&record)).source(Path::new("/"), false)?;
        let mut to = begin().context(|| "begin the tar".into())?;
        let mut packer = Packer::new(&mut to);
        tree::send(&source, Path::new(""), Scope::OneMount, &mut packer)?;
        finish(packer)?;
        guard.finish()?;
        Event::container(&record, "export").emit(self);
        Ok(to)
    }
}
