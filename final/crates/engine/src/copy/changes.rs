//! Everything that a container has changed, as one layer. The container's own layers are sent from the newest to the
//! oldest, and of each only what no newer layer hides. A directory is sent once, with its newest metadata, before the
//! entries in it.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hull_storage::writable_layer::WritableLayer;
use rustix::fs::{FileType, Mode, OFlags, Stat};

use super::entry::{Content, Entry, Sink};
use super::ids::ContainerIds;
use super::tree::{self, Scope};
use super::view::View;
use crate::error::{IoContext, Result};

/// Sends the changes in these layers, the newest first, as a layer of an image has them. `name` is for errors.
pub(super) fn send(
    layers: &[WritableLayer],
    name: &str,
    ids: &ContainerIds,
    sink: &mut dyn Sink,
) -> Result<()> {
    let mut newer = Vec::new();
    for layer in layers {
        let opened = open(layer.upper())?;
        let again = open(layer.upper())?;
        let source = View::container(opened, name).with_ids(ids.clone()).source(Path::new("/"), false)?;
        let mut older = Older { sink: &mut *sink, newer: &newer };
        tree::send(&source, Path::new(""), Scope::Layer, &mut older)?;
        newer.push(again);
    }
    Ok(())
}

pub(super) fn open(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).context(|| format!("open {}", path.display()))
}

/// Passes on what the newer layers do not hide.
struct Older<'a> {
    sink: &'a mut dyn Sink,
    newer: &'a [OwnedFd],
}

impl Older<'_> {
    fn passes(&self, path: &Path) -> bool {
        let (path, is_opaque_mark) = of_whiteout(path);
        !self.newer.iter().any(|layer| hides(layer, &path, is_opaque_mark))
    }
}

/// The path that a whiteout hides, and whether it is the mark of an opaque directory (image-spec, layer.md). Any other path
/// is returned as it is.
fn of_whiteout(path: &Path) -> (PathBuf, bool) {
    let name = path.file_name().unwrap_or_default().as_bytes();
    match name.strip_prefix(b".wh.") {
        Some(b".wh..opq") => (path.parent().unwrap_or(Path::new("")).to_owned(), true),
        Some(hidden) => (path.with_file_name(OsStr::from_bytes(hidden)), false),
        None => (path.to_owned(), false),
    }
}

/// Whether a layer hides the path in the layers below it. If both have a directory at the path, and that of this layer
/// is not opaque, then the lower one's entry is hidden, because this layer's has been sent. The lower one's opaque mark
/// is not hidden: it hides what is below that layer in turn.
fn hides(layer: &OwnedFd, path: &Path, is_opaque_mark: bool) -> bool {
    let mut at = PathBuf::new();
    for name in path {
        at.push(name);
        let Ok(found) = tree::beneath(layer, &at, OFlags::PATH) else { return false };
        match rustix::fs::fstat(&found) {
            Ok(stat) if is_directory(&stat) && !is_opaque(&found) => {}
            _ => return true,
        }
    }
    !is_opaque_mark
}

pub(super) fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

/// Whether a directory hides those below it (overlayfs.rst, "whiteouts and opaque directories").
fn is_opaque(directory: &OwnedFd) -> bool {
    let path = hull_sys::fs::fd_path(directory);
    let mut value = [0; 8];
    ["trusted.overlay.opaque", "user.overlay.opaque"]
        .iter()
        .any(|name| rustix::fs::getxattr(path.as_str(), *name, &mut value[..]).is_ok())
}

impl Sink for Older<'_> {
    fn put(&mut self, entry: &Entry, content: Content<'_>) -> Result<()> {
        if self.passes(&entry.path) { self.sink.put(entry, content) } else { Ok(()) }
    }

    fn link(&mut self, entry: &Entry, target: &Path) -> Result<bool> {
        match (self.passes(&entry.path), self.passes(target)) {
            (false, _) => Ok(true),
            // The file's first name is hidden, so the content is sent with this one.
            (true, false) => Ok(false),
            (true, true) => self.sink.link(entry, target),
        }
    }

    fn is_destination(&self, stat: &Stat) -> bool {
        self.sink.is_destination(stat)
    }

    fn refuses_whiteouts(&self) -> bool {
        self.sink.refuses_whiteouts()
    }
}
