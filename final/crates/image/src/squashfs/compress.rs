//! Decompresses one block. Blocks are small, so it is enough to limit the size of the result.

use std::io::{Cursor, Read};

use lzma_rust2::XzReader;

use super::damaged;
use crate::error::{Error, Result};

/// The memory of the xz decoder, in KiB. A dictionary is at most as large as a block, which is 1 MiB, and the decoder has
/// its own tables.
const XZ_MEMORY: u32 = 8 << 10;

/// The numbers in the header: squashfs_fs.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compressor {
    Gzip,
    Xz,
    Zstd,
}

impl Compressor {
    pub(super) fn of(number: u16) -> Result<Self> {
        let other = match number {
            1 => return Ok(Self::Gzip),
            4 => return Ok(Self::Xz),
            6 => return Ok(Self::Zstd),
            2 => "lzma",
            3 => "lzo",
            5 => "lz4",
            _ => return Err(damaged("it is compressed in an unknown way")),
        };
        Err(Error::NotAnImage(format!(
            "it is a squashfs file system compressed with {other}, and hull reads gzip, xz and zstd: \
             unsquashfs and mksquashfs -comp zstd make another of it"
        )))
    }

    /// The content of a block, which has at most `limit` bytes.
    pub(super) fn unpack(self, packed: &[u8], limit: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(limit);
        let most = limit as u64 + 1;
        let read = match self {
            Self::Gzip => flate2::read::ZlibDecoder::new(packed).take(most).read_to_end(&mut bytes),
            Self::Xz => XzReader::new_mem_limit(Cursor::new(packed), false, XZ_MEMORY)
                .take(most)
                .read_to_end(&mut bytes),
            Self::Zstd => zstd::Decoder::with_buffer(packed)
                .and_then(|decoder| decoder.single_frame().take(most).read_to_end(&mut bytes)),
        };
        match read {
            Ok(length) if length <= limit => Ok(bytes),
            Ok(_) => Err(damaged("a block is larger than blocks can be")),
            Err(error) => Err(damaged(&format!("a block cannot be decompressed: {error}"))),
        }
    }
}
