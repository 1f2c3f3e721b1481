//! What a container has changed: `diff` lists it, and `commit` makes a layer of it. Only the container's own layers are
//! read, so the cost follows the size of the changes.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, OFlags, Stat};

use super::changes::{self, is_directory, open};
use super::entry::{Content, Entry, Sink};
use super::ids::ContainerIds;
use super::tree::{self, Scope};
use super::view::View;
use crate::engine::Engine;
use crate::error::Result;
use crate::records::record::Record;

/// A line of `diff`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Added(PathBuf),
    Changed(PathBuf),
    Deleted(PathBuf),
}

impl Engine {
    /// The changed paths in the container, sorted.
    pub fn changes(&self, name: &str) -> Result<Vec<Change>> {
        let record = self.find(name)?;
        let mut found = Paths { found: Vec::new(), lowers: self.lowers(&record)? };
        self.send_changes(&record, &mut found)?;
        found.found.sort_by(|a, b| path(a).cmp(path(b)));
        Ok(found.found)
    }

    /// Sends the entries of the container's own layers, as a layer of an image has them.
    pub(super) fn send_changes(&self, record: &Record, sink: &mut dyn Sink) -> Result<()> {
        let ids = ContainerIds::new(record.copied_ids().cloned());
        crate::pools::place::ensure(self, record)?;
        if let Some(root) = record.subvolume(self.root()) {
            return self.send_subvolume(record, &root, ids, sink);
        }
        changes::send(&record.changed_layers(self.root()), &record.name, &ids, sink)
    }

    /// Sends the changes of a root that is a subvolume. Its difference from the image is first written as a layer. The
    /// copies share their content with the subvolume, because they are on the same file system.
    fn send_subvolume(
        &self,
        record: &Record,
        root: &Path,
        ids: ContainerIds,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let base = crate::pools::place::base(self, record)?;
        let images = base.parent().and_then(Path::parent).unwrap_or(&base);
        let staging = hull_storage::staging::Staging::new(images)?;
        let upper = staging.path().join("upper");
        hull_storage::tree::difference(&base, root, &upper)?;
        send_upper(&upper, &record.name, ids, sink)
    }

    /// The image's layers, the highest first.
    fn lowers(&self, record: &Record) -> Result<Vec<OwnedFd>> {
        record.layers.iter().rev().map(|layer| open(&self.root().data().join(layer))).collect()
    }
}

/// Sends the entries of one upper directory, as a layer of an image has them. `name` is for errors.
pub(super) fn send_upper(upper: &Path, name: &str, ids: ContainerIds, sink: &mut dyn Sink) -> Result<()> {
    let source = View::container(open(upper)?, name).with_ids(ids).source(Path::new("/"), false)?;
    tree::send(&source, Path::new(""), Scope::Layer, sink)
}

fn path(change: &Change) -> &Path {
    let (Change::Added(path) | Change::Changed(path) | Change::Deleted(path)) = change;
    path
}

/// A sink that compares each entry of the writable layer with the layers below.
struct Paths {
    found: Vec<Change>,
    lowers: Vec<OwnedFd>,
}

impl Paths {
    fn add(&mut self, entry: &Entry) {
        let path = Path::new("/").join(&entry.path);
        let name = entry.path.file_name().unwrap_or_default();
        let hidden = name.as_bytes().strip_prefix(b".wh.").map(std::ffi::OsStr::from_bytes);
        self.found.push(match hidden {
            // The mark of an opaque directory: the directory was replaced, and what it hides is not listed.
            Some(hidden) if hidden.as_bytes().starts_with(b".wh.") => return,
            // The whiteout may hide a file that only an older layer of the container had, and not the image.
            Some(hidden) if !self.was_there(&entry.path.with_file_name(hidden)) => return,
            Some(hidden) => Change::Deleted(path.with_file_name(hidden)),
            None if entry.path.as_os_str().is_empty() => return,
            None if self.was_there(&entry.path) => Change::Changed(path),
            None => Change::Added(path),
        });
    }

    /// Whether the layers below have the path. They are searched from the top, until one hides the others.
    fn was_there(&self, path: &Path) -> bool {
        for lower in &self.lowers {
            let mut at = PathBuf::new();
            let mut last = None;
            for name in path {
                at.push(name);
                last =
                    tree::beneath(lower, &at, OFlags::PATH).ok().and_then(|fd| rustix::fs::fstat(&fd).ok());
                match &last {
                    Some(stat) if is_whiteout(stat) => return false,
                    Some(stat) if at != path && !is_directory(stat) => return false,
                    Some(_) => {}
                    None => break,
                }
            }
            if last.is_some() {
                return true;
            }
        }
        false
    }
}

fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

impl Sink for Paths {
    fn put(&mut self, entry: &Entry, _content: Content<'_>) -> Result<()> {
        self.add(entry);
        Ok(())
    }

    fn link(&mut self, entry: &Entry, _target: &Path) -> Result<bool> {
        self.add(entry);
        Ok(true)
    }

    fn is_destination(&self, _stat: &Stat) -> bool {
        false
    }

    fn refuses_whiteouts(&self) -> bool {
        false
    }
}
