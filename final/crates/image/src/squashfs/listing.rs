//! The names in a directory: runs of entries whose inodes lie in the same block.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use super::inode::Listing;
use super::{Squashfs, damaged};
use crate::error::Result;

/// A directory's size counts three bytes for `.` and `..`, which are not stored.
const UNSTORED: u32 = 3;

/// The most entries that share a header.
const RUN: u32 = 256;

/// A name, and the reference of its inode.
pub(super) type Named = (OsString, u64);

impl Squashfs {
    /// The names in a directory. More than `most` are an error.
    pub(super) fn names(&mut self, listing: Listing, most: usize) -> Result<Vec<Named>> {
        let mut left = listing.size.saturating_sub(UNSTORED);
        let mut names = Vec::new();
        if left == 0 {
            return Ok(names);
        }
        let table = self.superblock.directory_table;
        let reference = u64::from(listing.block) << 16 | u64::from(listing.offset);
        let mut at = self.cursor_of(table, reference)?;
        while left > 0 {
            left = less(left, 12)?;
            let (count, block, _number) = (at.u32()?, at.u32()?, at.u32()?);
            if count >= RUN {
                return Err(damaged("a directory has an impossible number of names"));
            }
            for _ in 0..=count {
                let (offset, _number, _kind, length) = (at.u16()?, at.u16()?, at.u16()?, at.u16()?);
                let length = u32::from(length) + 1;
                left = less(left, 8 + length)?;
                let name = at.bytes(length as usize)?;
                let is_special = name == b"." || name == b"..";
                if is_special || name.len() > 255 || name.contains(&b'/') || name.contains(&0) {
                    return Err(damaged("a name is none that a file can have"));
                }
                names.push((OsString::from_vec(name), u64::from(block) << 16 | u64::from(offset)));
                if names.len() > most {
                    return Err(damaged("it has too many files"));
                }
            }
        }
        Ok(names)
    }
}

fn less(left: u32, bytes: u32) -> Result<u32> {
    left.checked_sub(bytes).ok_or_else(|| damaged("a directory is longer than it says"))
}
