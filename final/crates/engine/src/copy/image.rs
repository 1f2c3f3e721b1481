//! `image export`: an image as LXD's archives.

use std::collections::HashSet;
use std::ffi::CString;
use std::io::Write;
use std::path::{Path, PathBuf};

use hull_image::lxd::Metadata;
use hull_image::packing::{Content, Entry, Kind, Packer};
use rustix::fs::Timespec;

use super::entry::{self, Sink};
use super::merged::{Exported, LayersToExport};
use crate::engine::Engine;
use crate::error::Result;

impl Engine {
    /// Writes LXD's description of an image, metadata.yaml and the templates, as a tar.
    pub fn export_image_metadata(&self, name: &str, to: impl Write) -> Result<()> {
        let mut packer = Packer::new(to);
        put_metadata(&mut packer, &self.described_image(name)?.metadata)?;
        entry::finish(packer)
    }

    /// Writes an image's files as a tar. With `whole` the tar begins with the description, and has the files in
    /// `rootfs/`.
    ///
    /// An unprivileged user's process enters a new mount namespace, in which it stays.
    pub fn export_image(&self, name: &str, whole: bool, to: impl Write) -> Result<()> {
        let image = self.images().resolve(name)?;
        // The image cannot be removed while it is read.
        let _held = self.images().hold_image(&image)?;
        let mut packer = Packer::new(to);
        let mut prefix = PathBuf::new();
        if whole {
            put_metadata(&mut packer, &self.described_image(name)?.metadata)?;
            prefix.push("rootfs");
        }
        let layers = LayersToExport { prefix, layers: image.layer_dirs };
        let mut sink = Exported { sink: &mut packer, skip_root: false, paths: HashSet::new() };
        self.send_layers(&layers, &mut sink)?;
        entry::finish(packer)
    }
}

fn put_metadata(packer: &mut Packer<impl Write>, metadata: &Metadata) -> Result<()> {
    let text = metadata.to_yaml()?;
    put(packer, Path::new("metadata.yaml"), Some(&text))?;
    put(packer, Path::new("templates"), None)?;
    let mut written = HashSet::new();
    for template in metadata.templates.values().filter(|template| written.insert(&template.template)) {
        let name = hull_image::members::relative(Path::new(&template.template))?;
        put(packer, &Path::new("templates").join(name), Some(&template.content))?;
    }
    Ok(())
}

/// Adds a file that belongs to root, or without content a directory.
fn put(packer: &mut Packer<impl Write>, path: &Path, content: Option<&str>) -> Result<()> {
    let (kind, mode) = match content {
        Some(content) => (Kind::File { size: content.len() as u64 }, 0o644),
        None => (Kind::Directory, 0o755),
    };
    let attributes: Vec<(CString, Vec<u8>)> = vec![];
    let modified = Timespec { tv_sec: 0, tv_nsec: 0 };
    let entry = Entry { path: path.to_owned(), kind, uid: 0, gid: 0, mode, modified, attributes };
    match content {
        Some(content) => Sink::put(packer, &entry, Content::Stream(&mut content.as_bytes())),
        None => Sink::put(packer, &entry, Content::None),
    }
}
