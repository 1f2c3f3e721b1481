//! Walks from the root through all directories. Each inode becomes one entry, and each further name of it a hard link.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rustix::fs::Timespec;

use super::inode::{Inode, Kind, Listing};
use super::{Squashfs, damaged};
use crate::error::Result;
use crate::packing::{self, Content, Entry};

/// The longest path: the kernel's PATH_MAX. It also bounds the depth of directories, to half as many.
const LONGEST: usize = 4096;

/// The most bytes of all paths together, which are kept for hard links.
const PATHS: usize = 512 << 20;

/// How many names there may be. A distribution with a desktop has some hundred thousand.
const FILES: usize = 4 << 20;

/// Takes the entries. A directory comes before what is in it.
pub(crate) type Sink<'a> = dyn FnMut(&Entry, Content<'_>) -> Result<()> + 'a;

impl Squashfs {
    /// Sends all files to the sink, the root directory first, with an empty path.
    pub(crate) fn send(&mut self, sink: &mut Sink<'_>) -> Result<()> {
        let root = self.superblock.root;
        let mut walk = Walk { seen: HashMap::new(), left: FILES, bytes: PATHS };
        let inode = self.inode(root)?;
        let Kind::Directory(listing) = inode.kind else {
            return Err(damaged("its root is no directory"));
        };
        sink(&self.entry(PathBuf::new(), &inode, packing::Kind::Directory)?, Content::None)?;
        walk.seen.insert(root, PathBuf::new());
        self.directory(Path::new(""), listing, &mut walk, sink)
    }

    fn directory(
        &mut self,
        path: &Path,
        listing: Listing,
        walk: &mut Walk,
        sink: &mut Sink<'_>,
    ) -> Result<()> {
        let names = self.names(listing, walk.left)?;
        walk.left -= names.len();
        for (name, reference) in names {
            self.file(path.join(name), reference, walk, sink)?;
        }
        Ok(())
    }

    fn file(&mut self, path: PathBuf, reference: u64, walk: &mut Walk, sink: &mut Sink<'_>) -> Result<()> {
        let inode = self.inode(reference)?;
        if let Some(first) = walk.seen.get(&reference) {
            if matches!(inode.kind, Kind::Directory(_)) {
                return Err(damaged("a directory lies in two places, or in itself"));
            }
            // Its first name was left out as well.
            if matches!(inode.kind, Kind::Socket) {
                return Ok(());
            }
            let link = packing::Kind::HardLink(first.clone());
            return sink(&self.entry(path, &inode, link)?, Content::None);
        }
        walk.note(reference, &path)?;
        match inode.kind {
            Kind::Directory(listing) => {
                sink(&self.entry(path.clone(), &inode, packing::Kind::Directory)?, Content::None)?;
                self.directory(&path, listing, walk, sink)
            }
            Kind::File(ref content) => {
                let kind = packing::Kind::File { size: content.size };
                let entry = self.entry(path, &inode, kind)?;
                let Kind::File(content) = inode.kind else { return Ok(()) };
                sink(&entry, Content::Stream(&mut self.reader(content)))
            }
            Kind::Symlink(ref target) => {
                let kind = packing::Kind::Symlink(target.clone());
                sink(&self.entry(path, &inode, kind)?, Content::None)
            }
            Kind::Node(kind, device) => {
                sink(&self.entry(path, &inode, packing::Kind::Node { kind, device })?, Content::None)
            }
            // Sockets are left out, as in all layers: a socket is of no use without the program that created it.
            Kind::Socket => Ok(()),
        }
    }

    fn entry(&mut self, path: PathBuf, inode: &Inode, kind: packing::Kind) -> Result<Entry> {
        let attributes = match inode.attributes {
            Some(index) => self.attributes(index)?,
            None => vec![],
        };
        let modified = Timespec { tv_sec: inode.modified, tv_nsec: 0 };
        let Inode { uid, gid, mode, .. } = *inode;
        Ok(Entry { path, kind, uid, gid, mode, modified, attributes })
    }
}

struct Walk {
    /// The first path of each inode.
    seen: HashMap<u64, PathBuf>,
    /// How many names may still come.
    left: usize,
    /// How many bytes their paths may have.
    bytes: usize,
}

impl Walk {
    fn note(&mut self, reference: u64, path: &Path) -> Result<()> {
        let length = path.as_os_str().len();
        if length > LONGEST {
            return Err(damaged("a path is longer than paths can be"));
        }
        self.bytes = self.bytes.checked_sub(length).ok_or_else(|| damaged("its paths are too long"))?;
        self.seen.insert(reference, path.to_owned());
        Ok(())
    }
}
