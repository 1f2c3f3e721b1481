//! Reading and writing the archive of a container with its snapshots, in LXD's layout. An archive has documents, and
//! trees of files, each below a directory of its own.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use hull_image::packing::Packer;
use hull_storage::overlay::LayersView;
use hull_storage::tree::Replace;
use rustix::fs::{Stat, Timespec};

use super::changes::open;
use super::entry::{Content, Entry, Kind, Sink, finish};
use super::extractor::{Extractor, Owner, Privileges, Rules};
use super::ids::ContainerIds;
use super::tree::{self, Scope};
use super::unpack;
use super::view::View;
use crate::error::{Error, IoContext, Result};
use crate::records::userns::IdMaps;

/// The largest size of a document, in bytes. A record has some kilobytes.
const LARGEST_DOCUMENT: u64 = 4 << 20;

/// The largest size of all documents together: they are held in memory until the archive is read.
const ALL_DOCUMENTS: u64 = 64 << 20;

/// The highest number of documents and trees together. Each tree holds descriptors.
const MOST_PARTS: usize = 1000;

/// The name of the directory with the files of a tree.
const TREE: &str = "rootfs";

/// Writes an archive.
pub(crate) struct BackupWriter<W: Write> {
    packer: Packer<W>,
}

impl<W: Write> BackupWriter<W> {
    pub(crate) fn new(to: W) -> Self {
        Self { packer: Packer::new(to) }
    }

    pub(crate) fn document(&mut self, path: &Path, text: &str) -> Result<()> {
        let entry = Entry {
            path: path.to_owned(),
            kind: Kind::File { size: text.len() as u64 },
            uid: 0,
            gid: 0,
            mode: 0o600,
            modified: Timespec { tv_sec: 0, tv_nsec: 0 },
            attributes: vec![],
        };
        Sink::put(&mut self.packer, &entry, Content::Stream(&mut text.as_bytes()))
    }

    /// Adds the files that these layers show, the highest first, as `<directory>/rootfs`. `empty` is an empty directory.
    pub(crate) fn tree(
        &mut self,
        directory: &Path,
        layers: &[PathBuf],
        empty: &Path,
        ids: Option<IdMaps>,
    ) -> Result<()> {
        let view = LayersView::mount(layers, empty)?;
        let root = view.as_fd().try_clone_to_owned().context(|| "hold the container's files".into())?;
        let ids = ContainerIds::new(ids);
        let source = View::container(root, "backup").with_ids(ids).source(Path::new("/"), false)?;
        tree::send(&source, &directory.join(TREE), Scope::OneMount, &mut self.packer)
    }

    pub(crate) fn finish(self) -> Result<()> {
        finish(self.packer)
    }
}

/// Reads an archive, which may be hostile. `place` is called with the path of each tree in the archive, and makes the
/// directory into which the tree is written. Returns the documents by their paths.
pub(crate) fn read(
    from: impl Read,
    place: &mut dyn FnMut(&Path) -> Result<PathBuf>,
) -> Result<BTreeMap<PathBuf, String>> {
    let mut parts = Parts { documents: BTreeMap::new(), trees: BTreeMap::new(), bytes: 0, place };
    unpack::unpack_whole(from, &mut parts)?;
    parts.trees.into_values().try_for_each(Extractor::finish)?;
    Ok(parts.documents)
}

/// The parts of an archive that have been read so far.
struct Parts<'a> {
    documents: BTreeMap<PathBuf, String>,
    trees: BTreeMap<PathBuf, Extractor>,
    /// The size of the documents.
    bytes: u64,
    place: &'a mut dyn FnMut(&Path) -> Result<PathBuf>,
}

impl Parts<'_> {
    fn tree(&mut self, directory: &Path) -> Result<&mut Extractor> {
        if !self.trees.contains_key(directory) {
            self.check_number()?;
            let target = (self.place)(directory)?;
            let opened: OwnedFd = open(&target)?;
            let extractor = Extractor::new(opened, &super::entry::shown(directory), as_it_was())?;
            self.trees.insert(directory.to_owned(), extractor);
        }
        self.trees.get_mut(directory).ok_or_else(|| invalid(directory, "it was not made"))
    }

    fn check_number(&self) -> Result<()> {
        match self.documents.len() + self.trees.len() < MOST_PARTS {
            true => Ok(()),
            false => Err(invalid(Path::new("backup"), "it has more than 1000 snapshots and documents")),
        }
    }
}

impl Sink for Parts<'_> {
    fn put(&mut self, entry: &Entry, content: Content<'_>) -> Result<()> {
        if let Some((directory, path)) = divide(&entry.path) {
            let kind = match &entry.kind {
                Kind::HardLink(target) => match divide(target) {
                    Some((other, target)) if other == directory => Kind::HardLink(target),
                    _ => return Err(invalid(&entry.path, "it is a link to a file of another tree")),
                },
                kind => kind.clone(),
            };
            let entry = Entry { path, kind, ..entry.clone() };
            return self.tree(&directory)?.put(&entry, content);
        }
        match (&entry.kind, content) {
            (Kind::Directory, _) => Ok(()),
            (Kind::File { size }, Content::Stream(stream)) if *size <= LARGEST_DOCUMENT => {
                self.check_number()?;
                self.bytes += *size;
                if self.bytes > ALL_DOCUMENTS {
                    return Err(invalid(&entry.path, "the documents are larger than 64 MiB together"));
                }
                let mut text = String::new();
                let read = stream.take(*size).read_to_string(&mut text);
                read.context(|| format!("read {}", super::entry::shown(&entry.path)))?;
                self.documents.insert(entry.path.clone(), text);
                Ok(())
            }
            (Kind::File { .. }, _) => Err(invalid(&entry.path, "it is larger than 4 MiB")),
            _ => Err(invalid(&entry.path, "it is neither a document nor a file of a container")),
        }
    }

    fn link(&mut self, entry: &Entry, _target: &Path) -> Result<bool> {
        self.put(entry, Content::None).map(|()| true)
    }

    fn is_destination(&self, _stat: &Stat) -> bool {
        false
    }
}

/// Divides a path into the directory of a tree and the path in the tree. `None` for a path outside of the trees.
fn divide(path: &Path) -> Option<(PathBuf, PathBuf)> {
    let names: Vec<&OsStr> = path
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name),
            _ => None,
        })
        .collect();
    let depth = match names.get(1).and_then(|name| name.to_str()) {
        Some("container") => 2,
        Some("snapshots") => 3,
        _ => return None,
    };
    match names.first().is_some_and(|first| *first == "backup") && names.get(depth)? == &TREE {
        true => Some((names[..depth].iter().collect(), names[depth + 1..].iter().collect())),
        false => None,
    }
}

/// The rules for files that become a container's. The container has other ids on the host, so the files may keep their
/// owners, set-ID bits and attributes.
fn as_it_was() -> Rules {
    Rules {
        owner: Owner::KeepIfMapped,
        privileges: Privileges::WithAcls,
        existing_directories: true,
        through_symlinks: false,
        replaces: Replace::Files,
    }
}

fn invalid(path: &Path, why: &str) -> Error {
    Error::Invalid { what: format!("backup: {}", super::entry::shown(path)), why: why.into() }
}

#[test]
fn documents_are_bounded_one_by_one_and_together() {
    let mut place = |_: &Path| Err(invalid(Path::new("x"), "no tree"));
    let mut parts = Parts { documents: BTreeMap::new(), trees: BTreeMap::new(), bytes: 0, place: &mut place };
    let mut put = |number: u64, size: u64| {
        let entry = Entry {
            path: format!("backup/{number}").into(),
            kind: Kind::File { size },
            uid: 0,
            gid: 0,
            mode: 0o600,
            modified: Timespec { tv_sec: 0, tv_nsec: 0 },
            attributes: vec![],
        };
        parts.put(&entry, Content::Stream(&mut std::io::repeat(b'x').take(size)))
    };
    assert!(put(0, LARGEST_DOCUMENT + 1).is_err());
    let fitting = ALL_DOCUMENTS / LARGEST_DOCUMENT;
    (0..fitting).for_each(|number| put(number, LARGEST_DOCUMENT).unwrap());
    assert!(put(fitting, 1).unwrap_err().to_string().contains("64 MiB together"));
}

#[test]
fn a_path_is_divided_where_its_tree_begins() {
    let divided = |path: &str| divide(Path::new(path)).map(|(tree, path)| (tree.display().to_string(), path));
    assert_eq!(divided("backup/container/rootfs/etc/x"), Some(("backup/container".into(), "etc/x".into())));
    assert_eq!(divided("backup/snapshots/a/rootfs"), Some(("backup/snapshots/a".into(), "".into())));
    for other in
        ["backup/index.yaml", "backup/container/hull.json", "etc/rootfs/x", "backup/snapshots/rootfs"]
    {
        assert_eq!(divided(other), None, "{other}");
    }
}
