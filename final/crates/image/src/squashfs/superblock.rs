//! The header of 96 bytes: what the file system consists of, and where.

use super::{MAGIC, damaged};
use crate::error::{Error, Result};

pub(super) const SIZE: usize = 96;

/// The position that stands for no table.
const NONE: u64 = u64::MAX;

/// mksquashfs(1): the largest block.
const MAX_BLOCK: u32 = 1 << 20;

#[derive(Debug, Clone)]
pub(super) struct Superblock {
    pub block_size: u32,
    pub fragments: u32,
    pub compressor: u16,
    pub ids: u16,
    /// Where the root directory's inode is.
    pub root: u64,
    pub id_table: u64,
    pub attribute_table: Option<u64>,
    pub inode_table: u64,
    pub directory_table: u64,
    pub fragment_table: Option<u64>,
}

impl Superblock {
    pub(super) fn parse(bytes: &[u8; SIZE], length: u64) -> Result<Self> {
        let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let u32_at = |at: usize| u32::from(u16_at(at)) | u32::from(u16_at(at + 2)) << 16;
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        if bytes[..4] != MAGIC {
            return Err(damaged("it does not begin as one"));
        }
        let (major, minor) = (u16_at(28), u16_at(30));
        if (major, minor) != (4, 0) {
            return Err(Error::NotAnImage(format!(
                "it is a squashfs file system of version {major}.{minor}, and hull reads 4.0"
            )));
        }
        let block_size = u32_at(12);
        if !block_size.is_power_of_two() || !(4096..=MAX_BLOCK).contains(&block_size) {
            return Err(damaged("its blocks have an impossible size"));
        }
        if u64_at(40) > length {
            return Err(damaged(&format!("it is cut short: it has {length} bytes of {}", u64_at(40))));
        }
        let table = |at: usize| match u64_at(at) {
            NONE => Ok(None),
            position if position >= SIZE as u64 && position < length => Ok(Some(position)),
            _ => Err(damaged("a table lies outside of it")),
        };
        let needed = |at: usize| table(at)?.ok_or_else(|| damaged("a table is missing"));
        Ok(Self {
            block_size,
            fragments: u32_at(16),
            compressor: u16_at(20),
            ids: u16_at(26),
            root: u64_at(32),
            id_table: needed(48)?,
            attribute_table: table(56)?,
            inode_table: needed(64)?,
            directory_table: needed(72)?,
            fragment_table: if u32_at(16) == 0 { None } else { table(80)? },
        })
    }
}
