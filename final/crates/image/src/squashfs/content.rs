//! The bytes of a file: whole blocks, and a fragment for the end, which shares a block with the ends of other files.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::rc::Rc;

use super::inode::Content;
use super::{Squashfs, damaged};
use crate::error::Result;

/// The bit of a block's length which says that the block is not compressed.
const PLAIN: u32 = 1 << 24;

/// How many blocks of fragments are kept in memory. Files that follow each other share such blocks.
const KEPT: usize = 4;

/// Decompressed blocks of fragments, by their index.
#[derive(Default)]
pub(super) struct Fragments(VecDeque<(u32, Rc<Vec<u8>>)>);

/// A file that is being read.
pub(super) struct Reader<'a> {
    source: &'a mut Squashfs,
    content: Content,
    /// Where the next block is.
    position: u64,
    next: usize,
    /// How many bytes of the file have not been handed out.
    left: u64,
    /// The present block, and where the next byte is in it.
    block: Rc<Vec<u8>>,
    offset: usize,
}

impl Squashfs {
    pub(super) fn reader(&mut self, content: Content) -> Reader<'_> {
        let (position, left) = (content.start, content.size);
        Reader { source: self, content, position, next: 0, left, block: Rc::default(), offset: 0 }
    }

    fn fragment(&mut self, index: u32) -> Result<Rc<Vec<u8>>> {
        if let Some((_, block)) = self.fragments.0.iter().find(|(kept, _)| *kept == index) {
            return Ok(block.clone());
        }
        let table = self.superblock.fragment_table.filter(|_| index < self.superblock.fragments);
        let table = table.ok_or_else(|| damaged("the end of a file is not in the table"))?;
        let mut at = self.indexed(table, index as usize, 16)?;
        let (position, stored) = (at.u64()?, at.u32()?);
        let block = Rc::new(self.stored(position, stored)?);
        if self.fragments.0.len() == KEPT {
            self.fragments.0.pop_front();
        }
        self.fragments.0.push_back((index, block.clone()));
        Ok(block)
    }

    /// The content of a block of which `stored` tells the length, and whether it is compressed.
    fn stored(&self, position: u64, stored: u32) -> Result<Vec<u8>> {
        let (length, limit) = ((stored & !PLAIN) as usize, self.superblock.block_size as usize);
        if length > limit {
            return Err(damaged("a block is larger than blocks can be"));
        }
        let bytes = self.read_at(position, length)?;
        if stored & PLAIN != 0 { Ok(bytes) } else { self.compressor.unpack(&bytes, limit) }
    }
}

impl Reader<'_> {
    fn advance(&mut self) -> Result<()> {
        let size = u64::from(self.source.superblock.block_size);
        let expected = self.left.min(size) as usize;
        if let Some(stored) = self.content.blocks.get(self.next).copied() {
            self.next += 1;
            // A block without a length is a hole.
            self.block = Rc::new(match stored & !PLAIN {
                0 => vec![0; expected],
                _ => self.source.stored(self.position, stored)?,
            });
            self.position += u64::from(stored & !PLAIN);
            self.offset = 0;
        } else if let Some((index, offset)) = self.content.fragment {
            self.block = self.source.fragment(index)?;
            self.offset = offset as usize;
        }
        match self.block.len().checked_sub(self.offset) {
            Some(there) if there >= expected => Ok(()),
            _ => Err(damaged("a file is longer than its blocks")),
        }
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = u64::from(self.source.superblock.block_size);
        if self.left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        if (self.content.size - self.left).is_multiple_of(size) {
            self.advance().map_err(|error| error.into_io())?;
        }
        // Up to the end of the present block.
        let most = (size - (self.content.size - self.left) % size).min(self.left) as usize;
        let length = most.min(buffer.len());
        buffer[..length].copy_from_slice(&self.block[self.offset..self.offset + length]);
        self.offset += length;
        self.left -= length as u64;
        Ok(length)
    }
}
