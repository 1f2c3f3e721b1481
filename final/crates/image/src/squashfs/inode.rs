//! Inodes: the type, the owner, and where the content is. Each type has a short and a long form.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use rustix::fs::{FileType, makedev};

use super::metadata::Cursor;
use super::{Squashfs, damaged};
use crate::compression::is_bomb;
use crate::error::Result;

/// The index that stands for no fragment, or for no attributes.
const NONE: u32 = u32::MAX;

/// The kernel's PATH_MAX.
const LONGEST_TARGET: u32 = 4096;

pub(super) struct Inode {
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub modified: i64,
    pub kind: Kind,
    /// The index of its extended attributes.
    pub attributes: Option<u32>,
}

pub(super) enum Kind {
    Directory(Listing),
    File(Content),
    Symlink(PathBuf),
    Node(FileType, u64),
    Socket,
}

/// Where the names of a directory are.
#[derive(Clone, Copy)]
pub(super) struct Listing {
    pub block: u32,
    pub offset: u16,
    pub size: u32,
}

/// Where the bytes of a file are.
pub(super) struct Content {
    pub start: u64,
    pub size: u64,
    /// The fragment that has what is left after the last whole block, and the offset in it.
    pub fragment: Option<(u32, u32)>,
    /// The stored length of each block.
    pub blocks: Vec<u32>,
}

impl Squashfs {
    pub(super) fn inode(&mut self, reference: u64) -> Result<Inode> {
        let (block_size, length) = (u64::from(self.superblock.block_size), self.length);
        let table = self.superblock.inode_table;
        let mut at = self.cursor_of(table, reference)?;
        let (number, mode) = (at.u16()?, at.u16()?);
        let (uid, gid) = (at.u16()?, at.u16()?);
        let modified = i64::from(at.u32()?);
        // This is the inode's own number. References identify inodes instead, because a hostile file system can give a
        // number twice.
        at.u32()?;
        let (kind, attributes) = match number {
            1 => (short_directory(&mut at)?, NONE),
            8 => long_directory(&mut at)?,
            2 => (short_file(&mut at, block_size, length)?, NONE),
            9 => long_file(&mut at, block_size, length)?,
            3 => (symlink(&mut at)?, NONE),
            10 => (symlink(&mut at)?, at.u32()?),
            4..=7 | 11..=14 => {
                let kind = node(&mut at, number)?;
                (kind, if number > 7 { at.u32()? } else { NONE })
            }
            _ => return Err(damaged("an inode is of an unknown type")),
        };
        let owner = |index: u16| {
            self.ids.get(usize::from(index)).copied().ok_or_else(|| damaged("an owner is not in the table"))
        };
        Ok(Inode {
            mode: u32::from(mode) & 0o7777,
            uid: owner(uid)?,
            gid: owner(gid)?,
            modified,
            kind,
            attributes: Some(attributes).filter(|index| *index != NONE),
        })
    }
}

fn short_directory(at: &mut Cursor<'_>) -> Result<Kind> {
    let (block, _links) = (at.u32()?, at.u32()?);
    let (size, offset) = (u32::from(at.u16()?), at.u16()?);
    Ok(Kind::Directory(Listing { block, offset, size }))
}

fn long_directory(at: &mut Cursor<'_>) -> Result<(Kind, u32)> {
    let (_links, size, block, _parent) = (at.u32()?, at.u32()?, at.u32()?, at.u32()?);
    let (_indices, offset) = (at.u16()?, at.u16()?);
    Ok((Kind::Directory(Listing { block, offset, size }), at.u32()?))
}

fn short_file(at: &mut Cursor<'_>, block_size: u64, length: u64) -> Result<Kind> {
    let start = u64::from(at.u32()?);
    let (fragment, offset, size) = (at.u32()?, at.u32()?, u64::from(at.u32()?));
    content(at, start, size, (fragment, offset), block_size, length)
}

fn long_file(at: &mut Cursor<'_>, block_size: u64, length: u64) -> Result<(Kind, u32)> {
    let (start, size, _holes) = (at.u64()?, at.u64()?, at.u64()?);
    let (_links, fragment, offset, attributes) = (at.u32()?, at.u32()?, at.u32()?, at.u32()?);
    Ok((content(at, start, size, (fragment, offset), block_size, length)?, attributes))
}

/// The list of a file's blocks follows its inode, with four bytes for each.
fn content(
    at: &mut Cursor<'_>,
    start: u64,
    size: u64,
    (fragment, offset): (u32, u32),
    block_size: u64,
    length: u64,
) -> Result<Kind> {
    let fragment = (fragment != NONE).then_some((fragment, offset));
    let count = if fragment.is_some() { size / block_size } else { size.div_ceil(block_size) };
    // The list has to fit into memory, and a list of holes takes almost no space in the file system.
    if is_bomb(size, length) {
        return Err(damaged("a file is out of all proportion to it"));
    }
    // No capacity is reserved, because the table may end long before the list should.
    let mut blocks = Vec::new();
    for _ in 0..count {
        blocks.push(at.u32()?);
    }
    Ok(Kind::File(Content { start, size, fragment, blocks }))
}

fn symlink(at: &mut Cursor<'_>) -> Result<Kind> {
    let (_links, length) = (at.u32()?, at.u32()?);
    if length == 0 || length > LONGEST_TARGET {
        return Err(damaged("a symbolic link has an impossible length"));
    }
    let target = at.bytes(length as usize)?;
    if target.contains(&0) {
        return Err(damaged("a symbolic link has a zero byte"));
    }
    Ok(Kind::Symlink(OsString::from_vec(target).into()))
}

fn node(at: &mut Cursor<'_>, number: u16) -> Result<Kind> {
    at.u32()?;
    let number = if number > 7 { number - 7 } else { number };
    let kind = match number {
        4 => FileType::BlockDevice,
        5 => FileType::CharacterDevice,
        6 => return Ok(Kind::Node(FileType::Fifo, 0)),
        _ => return Ok(Kind::Socket),
    };
    // The kernel's new_decode_dev().
    let device = at.u32()?;
    let (major, minor) = ((device & 0xf_ff00) >> 8, (device & 0xff) | ((device >> 12) & 0xf_ff00));
    Ok(Kind::Node(kind, makedev(major, minor)))
}
