//! Reads squashfs file systems (version 4.0, kernel's Documentation/filesystems/squashfs.rst), in which LXD's images have
//! their roots. The result is entries, which become a layer's tar as any other.
//!
//! ```text
//! superblock  where the tables are             metadata    compressed tables, read as streams
//! compress    decompression of one block       inode       types, owners, and where the content is
//! listing     the names in a directory         attributes  extended attributes
//! content     the blocks of a file             walk        from the root through all directories
//! ```
//! The file is hostile: the kernel is never asked to mount it. Whatever it says of itself is checked against its length; an
//! inode is unpacked once, so a directory cannot contain itself; and what comes out may not be out of all proportion to what
//! went in.

mod attributes;
mod compress;
mod content;
mod inode;
mod listing;
mod metadata;
mod superblock;
#[cfg(test)]
mod tests;
mod walk;

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::error::{Error, IoContext, Result};
use compress::Compressor;
use metadata::Cache;
use superblock::Superblock;

/// The first bytes of a squashfs file system.
pub(crate) const MAGIC: [u8; 4] = *b"hsqs";

/// A squashfs file system in a file.
pub(crate) struct Squashfs {
    file: File,
    length: u64,
    superblock: Superblock,
    compressor: Compressor,
    /// The owners that inodes refer to by their index.
    ids: Vec<u32>,
    cache: Cache,
    fragments: content::Fragments,
}

impl Squashfs {
    pub(crate) fn open(file: File) -> Result<Self> {
        let length = file.metadata().context(|| "read the squashfs file system".into())?.len();
        let mut start = [0; superblock::SIZE];
        file.read_exact_at(&mut start, 0).map_err(|_| damaged("it is shorter than its header"))?;
        let superblock = Superblock::parse(&start, length)?;
        let compressor = Compressor::of(superblock.compressor)?;
        let mut opened = Self {
            file,
            length,
            superblock,
            compressor,
            ids: vec![],
            cache: Cache::default(),
            fragments: content::Fragments::default(),
        };
        opened.ids = opened.read_ids()?;
        Ok(opened)
    }

    /// Bytes of the file.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&self, at: u64, length: usize) -> Result<Vec<u8>> {
        if at.checked_add(length as u64).is_none_or(|end| end > self.length) {
            return Err(damaged("a part lies beyond its end: it is cut short, or was changed"));
        }
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, at).context(|| "read the squashfs file system".into())?;
        Ok(bytes)
    }
}

fn damaged(why: &str) -> Error {
    Error::Damaged(format!("the squashfs file system: {why}"))
}
