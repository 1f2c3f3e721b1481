//! The files of an image: its layers merged, by the rules of whiteouts (OCI image specification, "Image Layer Filesystem
//! Changeset").

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Component, Path};
use std::sync::Arc;

use tar::EntryType;

/// A file of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub kind: Kind,
    pub mode: u32,
    pub owner: (u64, u64),
    /// Seconds since 1970.
    pub modified: u64,
    /// `security.capability` and the others, without the namespace of tar's headers.
    pub attributes: BTreeMap<String, Vec<u8>>,
    /// The same for all names of a file.
    pub inode: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    File(Arc<[u8]>),
    Directory,
    Symlink(String),
    Fifo,
    /// `true` for a block device; major and minor number.
    Device(bool, u32, u32),
}

/// The files of an image by their paths, which begin with `/`.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    pub nodes: BTreeMap<String, Node>,
    inodes: u64,
}

impl Tree {
    /// Applies a layer: an uncompressed tar.
    pub fn apply(&mut self, layer: &[u8]) -> std::io::Result<()> {
        let mut archive = tar::Archive::new(layer);
        let (mut added, mut whiteouts) = (Vec::new(), Vec::new());
        for entry in archive.entries()? {
            let mut entry = entry?;
            let path = normal(&entry.path()?);
            let (directory, name) = path.rsplit_once('/').unwrap_or(("", &path));
            match name.strip_prefix(".wh.") {
                Some(".wh..opq") => whiteouts.push((directory.to_owned(), true)),
                Some(hidden) => whiteouts.push((format!("{directory}/{hidden}"), false)),
                None => {
                    let found = read(&mut entry)?;
                    added.push((path, found));
                }
            }
        }
        // A whiteout hides files of lower layers only, wherever it is in the archive.
        for (path, only_beneath) in whiteouts {
            self.remove(&path, only_beneath);
        }
        for (path, found) in added {
            self.add(path, found)?;
        }
        Ok(())
    }

    fn add(&mut self, path: String, found: Found) -> std::io::Result<()> {
        let node = match found {
            Found::Link(target) => {
                let error = || {
                    std::io::Error::other(format!("{path} is a hard link to {target}, which is not there"))
                };
                self.nodes.get(&target).cloned().ok_or_else(error)?
            }
            Found::Node(mut node) => {
                self.inodes += 1;
                node.inode = self.inodes;
                *node
            }
        };
        let is_directory = |node: &Node| node.kind == Kind::Directory;
        if !(is_directory(&node) && self.nodes.get(&path).is_some_and(is_directory)) {
            self.remove(&path, false);
        }
        self.nodes.insert(path, node);
        Ok(())
    }

    fn remove(&mut self, path: &str, only_beneath: bool) {
        let beneath = format!("{path}/");
        self.nodes.retain(|other, _| !other.starts_with(&beneath) && (only_beneath || other != path));
    }
}

enum Found {
    Node(Box<Node>),
    Link(String),
}

fn read(entry: &mut tar::Entry<'_, &[u8]>) -> std::io::Result<Found> {
    let mut attributes = BTreeMap::new();
    for extension in entry.pax_extensions()?.into_iter().flatten() {
        let extension = extension?;
        if let Some(name) = extension.key().ok().and_then(|key| key.strip_prefix("SCHILY.xattr.")) {
            attributes.insert(name.to_owned(), extension.value_bytes().to_vec());
        }
    }
    let header = entry.header().clone();
    let target = entry.link_name()?.map(|target| target.into_owned()).unwrap_or_default();
    let device = |block| -> std::io::Result<Kind> {
        let number = |found: std::io::Result<Option<u32>>| found.map(Option::unwrap_or_default);
        Ok(Kind::Device(block, number(header.device_major())?, number(header.device_minor())?))
    };
    let kind = match header.entry_type() {
        EntryType::Link => return Ok(Found::Link(normal(&target))),
        EntryType::Directory => Kind::Directory,
        EntryType::Symlink => Kind::Symlink(target.to_string_lossy().into_owned()),
        EntryType::Fifo => Kind::Fifo,
        EntryType::Block => device(true)?,
        EntryType::Char => device(false)?,
        _ => {
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            Kind::File(content.into())
        }
    };
    // Bits of the type are in the mode of some writers.
    let mode = header.mode()? & 0o7777;
    let owner = (header.uid()?, header.gid()?);
    let modified = header.mtime()?;
    Ok(Found::Node(Box::new(Node { kind, mode, owner, modified, attributes, inode: 0 })))
}

/// `./a/b/` as `/a/b`, and the root as the empty text.
fn normal(path: &Path) -> String {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_string_lossy()),
        _ => None,
    });
    names.map(|name| format!("/{name}")).collect()
}
