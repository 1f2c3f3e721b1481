//! The tables: blocks of 8 KiB, each compressed on its own and with its length before it. Together they are one stream.

use std::collections::HashMap;
use std::rc::Rc;

use super::{Squashfs, damaged};
use crate::error::Result;

/// Bytes of a block without compression.
const BLOCK: usize = 8192;

/// The bit of a block's length which says that the block is not compressed.
const PLAIN: u16 = 1 << 15;

/// How many blocks are kept in memory. Inodes and names that belong together lie close to each other, and mksquashfs writes
/// them in the order in which they are read.
const KEPT: usize = 256;

/// Blocks by their position.
#[derive(Default)]
pub(super) struct Cache(HashMap<u64, Rc<Block>>);

struct Block {
    bytes: Vec<u8>,
    /// Where the next block is.
    next: u64,
}

/// A position in the stream.
pub(super) struct Cursor<'a> {
    source: &'a mut Squashfs,
    block: Rc<Block>,
    offset: usize,
}

impl Squashfs {
    /// Begins to read at an offset of the block that lies `at`.
    pub(super) fn cursor(&mut self, at: u64, offset: usize) -> Result<Cursor<'_>> {
        let block = self.block(at)?;
        if offset > block.bytes.len() {
            return Err(damaged("a reference leads out of its block"));
        }
        Ok(Cursor { source: self, block, offset })
    }

    /// Begins to read where a reference points: to a block after the table's beginning, and an offset in it.
    pub(super) fn cursor_of(&mut self, table: u64, reference: u64) -> Result<Cursor<'_>> {
        let at = table.checked_add(reference >> 16).ok_or_else(|| damaged("a reference leads out of it"))?;
        self.cursor(at, (reference & 0xffff) as usize)
    }

    /// Begins to read at an entry of a table whose entries have equal sizes. The list at `at` has the positions of the
    /// table's blocks.
    pub(super) fn indexed(&mut self, at: u64, index: usize, size: usize) -> Result<Cursor<'_>> {
        let (block, offset) = (index / (BLOCK / size), index % (BLOCK / size) * size);
        let position = at.checked_add(8 * block as u64).ok_or_else(|| damaged("an index is too large"))?;
        let position = self.read_at(position, 8)?;
        let position = position.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        self.cursor(position, offset)
    }

    pub(super) fn read_ids(&mut self) -> Result<Vec<u32>> {
        let (table, count) = (self.superblock.id_table, usize::from(self.superblock.ids));
        (0..count).map(|index| self.indexed(table, index, 4)?.u32()).collect()
    }

    fn block(&mut self, at: u64) -> Result<Rc<Block>> {
        if let Some(block) = self.cache.0.get(&at) {
            return Ok(block.clone());
        }
        let length = self.read_at(at, 2)?;
        let length = u16::from_le_bytes([length[0], length[1]]);
        let stored = usize::from(length & !PLAIN);
        if stored == 0 || stored > BLOCK {
            return Err(damaged("a block of a table has an impossible length"));
        }
        let bytes = self.read_at(at + 2, stored)?;
        let bytes = if length & PLAIN != 0 { bytes } else { self.compressor.unpack(&bytes, BLOCK)? };
        let block = Rc::new(Block { bytes, next: at + 2 + stored as u64 });
        if self.cache.0.len() == KEPT {
            self.cache.0.clear();
        }
        self.cache.0.insert(at, block.clone());
        Ok(block)
    }
}

impl Cursor<'_> {
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        let mut filled = 0;
        while filled < buffer.len() {
            let rest = &self.block.bytes[self.offset..];
            if rest.is_empty() {
                // Only the last block of a table may be shorter than the others.
                if self.block.bytes.len() < BLOCK {
                    return Err(damaged("a table ends in the middle of an entry"));
                }
                self.block = self.source.block(self.block.next)?;
                self.offset = 0;
                continue;
            }
            let length = rest.len().min(buffer.len() - filled);
            buffer[filled..filled + length].copy_from_slice(&rest[..length]);
            self.offset += length;
            filled += length;
        }
        Ok(())
    }

    pub(super) fn bytes(&mut self, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }
}
