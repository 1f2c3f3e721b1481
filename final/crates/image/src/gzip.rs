//! Compresses gzip on all processors. The result does not depend on their number.
//!
//! The stream is one member (RFC 1952), because some readers stop after the first. Its pieces are compressed
//! independently. Each but the last ends at a byte boundary with an empty block (RFC 1951, 3.2.4), so that they can be
//! concatenated. Every piece starts without the 32 KiB window before it, which makes the result about one percent
//! larger.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

use crate::error::{Error, Result};
use crate::members::fill;
use crate::staging::not_stored;

/// Like the level, the size decides on the result: with another one, all digests would change.
const PIECE: usize = 1 << 20;
/// More workers would wait for the reader, and each has pieces in memory.
const WORKERS: usize = 8;

struct Piece {
    plain: Vec<u8>,
    last: bool,
    packed: SyncSender<Packed>,
}

struct Packed {
    bytes: Vec<u8>,
    sum: Crc,
}

/// Compresses the stream to `out`, with zlib's level 0 to 9 or its default.
pub(crate) fn pack(stream: &mut impl Read, out: &mut impl Write, level: Option<u32>) -> Result<()> {
    let level = level.map_or(Compression::default(), Compression::new);
    // Deflate, without a name, a time or an operating system: the header must not depend on where it was written.
    out.write_all(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]).map_err(not_stored)?;
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(WORKERS);
    let (pieces, queue) = channel::<Piece>();
    let queue = Mutex::new(queue);
    let sum = std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| work(&queue, level));
        }
        // Dropping the sender ends the workers, also on an error.
        let pieces = pieces;
        let mut sum = Crc::new();
        let mut waiting: VecDeque<Receiver<Packed>> = VecDeque::new();
        let mut plain = next(stream)?;
        loop {
            // A piece is the last one if nothing follows it, so the next piece is read first.
            let behind = if plain.len() < PIECE { Vec::new() } else { next(stream)? };
            let last = behind.is_empty();
            let (packed, receiver) = sync_channel(1);
            pieces.send(Piece { plain, last, packed }).map_err(|_| Error::Cancelled)?;
            waiting.push_back(receiver);
            while waiting.len() > if last { 0 } else { 2 * workers } {
                let Some(Ok(packed)) = waiting.pop_front().map(|first| first.recv()) else {
                    return Err(Error::Cancelled);
                };
                sum.combine(&packed.sum);
                out.write_all(&packed.bytes).map_err(not_stored)?;
            }
            if last {
                return Ok(sum);
            }
            plain = behind;
        }
    })?;
    let end = [sum.sum().to_le_bytes(), sum.amount().to_le_bytes()];
    out.write_all(end.as_flattened()).map_err(not_stored)
}

fn next(stream: &mut impl Read) -> Result<Vec<u8>> {
    let mut plain = vec![0; PIECE];
    let length = fill(stream, &mut plain)?;
    plain.truncate(length);
    Ok(plain)
}

/// Compresses pieces until the sender is dropped.
fn work(queue: &Mutex<Receiver<Piece>>, level: Compression) {
    loop {
        let piece = queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).recv();
        let Ok(Piece { plain, last, packed }) = piece else { return };
        let mut sum = Crc::new();
        sum.update(&plain);
        let bytes = deflate(&plain, last, level);
        // If nobody receives it, the main thread has failed already.
        let _ = packed.send(Packed { bytes, sum });
    }
}

fn deflate(plain: &[u8], last: bool, level: Compression) -> Vec<u8> {
    let mut deflate = Compress::new(level, false);
    let flush = if last { FlushCompress::Finish } else { FlushCompress::Sync };
    let mut bytes = Vec::with_capacity(plain.len() / 2);
    loop {
        let rest = &plain[deflate.total_in() as usize..];
        bytes.reserve(PIECE / 4);
        let status = deflate.compress_vec(rest, &mut bytes, flush);
        // A sync flush is complete if space is left in the buffer: zlib.h, deflate().
        match status {
            Ok(Status::StreamEnd) => return bytes,
            _ if !last && deflate.total_in() as usize == plain.len() && bytes.len() < bytes.capacity() => {
                return bytes;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(plain: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        pack(&mut &*plain, &mut out, None).unwrap();
        out
    }

    #[test]
    fn one_member_holds_all_of_it() {
        let mut state = 1u32;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        let noise: Vec<u8> = noise.take(3 * PIECE + 5).collect();
        let text: Vec<u8> = noise.iter().map(|byte| b'a' + byte % 7).collect();
        for plain in [&noise, &text, &vec![0; 5 * PIECE]] {
            for length in [0, 1, 1000, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, plain.len()] {
                let bytes = packed(&plain[..length]);
                let mut read = Vec::new();
                // Reads one member only.
                flate2::read::GzDecoder::new(&*bytes).read_to_end(&mut read).unwrap();
                assert!(read == plain[..length], "{length}");
                assert_eq!(packed(&plain[..length]), bytes, "{length}");
            }
        }
    }

    #[test]
    fn what_is_read_and_written_may_fail() {
        struct Broken(usize);
        impl Read for Broken {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                self.0 = self.0.checked_sub(1).ok_or_else(|| std::io::Error::other("fell over"))?;
                Ok(buffer.len())
            }
        }
        let error = pack(&mut Broken(20), &mut std::io::sink(), None).unwrap_err().to_string();
        assert!(error.contains("fell over"), "{error}");
        let noise: Vec<u8> =
            (0..4 * PIECE as u64).map(|at| (at.wrapping_mul(0x9e37_79b9) >> 13) as u8).collect();
        let mut full = [0; 100];
        let error = pack(&mut &*noise, &mut &mut full[..], None).unwrap_err().to_string();
        assert!(error.contains("cannot store the image"), "{error}");
    }
}
