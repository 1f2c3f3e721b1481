//! Recognises compressions by the first bytes of a file, whatever its name is.

use std::cell::Cell;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::rc::Rc;

use bzip2::bufread::MultiBzDecoder;
use lzma_rust2::XzReader;

use crate::error::{Error, IoContext, Result};
use crate::members::fill;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    Plain,
    Gzip,
    Zstd,
    Xz,
    Bzip2,
}

const BUFFER: usize = 128 * 1024;

/// KiB of memory for decompressing the output of `xz -9`, which has a dictionary of 64 MiB (xz(1)), and a little more.
const XZ_MEMORY: u32 = 66 << 10;

impl Compression {
    pub(crate) fn of(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            // A skippable frame, with which parallel compressors start. RFC 8878, 3.1.2.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Bzip2,
            _ => Self::Plain,
        }
    }

    /// The suffix of a layer's media type. `None` if image-spec (layer.md) has no media type for the compression.
    pub(crate) fn suffix(self) -> Option<&'static str> {
        match self {
            Self::Plain => Some(""),
            Self::Gzip => Some("+gzip"),
            Self::Zstd => Some("+zstd"),
            Self::Xz | Self::Bzip2 => None,
        }
    }
}

/// Other formats that can hold a root file system. The error's hint says how to turn one into a tar.
fn foreign(start: &[u8]) -> Option<Error> {
    let (what, instead) = match start {
        [b'h', b's', b'q', b's', ..] => {
            ("a squashfs file system", "hull import FILE NAME makes an image of it")
        }
        [b'Q', b'F', b'I', 0xfb, ..] => (
            "a virtual machine's disk (qcow2)",
            "guestfish or qemu-nbd mounts it; then tar -C DIR -c . | hull import - NAME",
        ),
        [b'P', b'K', 3, 4, ..] => {
            ("a zip archive", "unzip -d DIR FILE, then tar -C DIR -c . | hull import - NAME")
        }
        [b'0', b'7', b'0', b'7', b'0', b'1' | b'2', ..] => {
            ("a cpio archive", "in an empty directory: cpio -id <FILE, then tar -c . | hull import - NAME")
        }
        [0x7f, b'E', b'L', b'F', ..] => ("a program", "give the archive, and not what reads it"),
        _ => return None,
    };
    Some(Error::Foreign { what, instead })
}

/// The tar inside: plain, or compressed with gzip, zstd, xz or bzip2, in any number of members, frames or streams.
pub fn decompress<'a>(stream: impl Read + 'a) -> Result<BufReader<Box<dyn Read + 'a>>> {
    let stream = BufReader::with_capacity(BUFFER, stream);
    Ok(BufReader::with_capacity(BUFFER, unpacked(stream)?))
}

/// Whether bytes begin a file that is compressed in a way that [`decompress`] reads.
pub fn is_compressed(start: &[u8]) -> bool {
    Compression::of(start) != Compression::Plain
}

fn unpacked<'a>(mut stream: impl BufRead + 'a) -> Result<Box<dyn Read + 'a>> {
    let mut start = [0; 6];
    // A pipe may deliver them one by one.
    let length = fill(&mut stream, &mut start)?;
    if let Some(foreign) = foreign(&start[..length]) {
        return Err(foreign);
    }
    let compression = Compression::of(&start[..length]);
    let stream = std::io::Cursor::new(start).take(length as u64).chain(stream);
    Ok(match compression {
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(stream)),
        Compression::Zstd => {
            Box::new(zstd::Decoder::with_buffer(stream).context(|| "read the archive".into())?)
        }
        Compression::Xz => Box::new(Xz(Some(XzReader::new_mem_limit(stream, true, XZ_MEMORY)))),
        Compression::Bzip2 => Box::new(MultiBzDecoder::new(stream)),
        Compression::Plain => Box::new(stream),
    })
}

/// An xz stream. It ends with its first error, because the reader's behaviour after an error is undefined.
struct Xz<R: Read>(Option<XzReader<R>>);

impl<R: Read> Read for Xz<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let Some(reader) = &mut self.0 else { return Err(ErrorKind::InvalidData.into()) };
        reader.read(buffer).map_err(|error| match error.kind() {
            ErrorKind::Interrupted => error,
            kind => {
                self.0 = None;
                // The dictionary is as large as the archive says: up to 4 GiB.
                let why = "its dictionary is larger than the 64 MiB of xz -9".into();
                match kind {
                    ErrorKind::OutOfMemory => {
                        Error::Refused { member: "a stream of xz".into(), why }.into_io()
                    }
                    _ => error,
                }
            }
        })
    }
}

/// An archive that expands beyond this size by more than this ratio is refused as a decompression bomb. Real layers do
/// not: a tar expresses large runs of zeros as holes.
const BOMB: u64 = 4 << 30;
const RATIO: u64 = 200;

/// Whether the number of unpacked bytes is out of all proportion to the number of packed ones.
pub(crate) fn is_bomb(unpacked: u64, packed: u64) -> bool {
    unpacked > BOMB && unpacked / RATIO > packed
}

/// The decompressed tar. Reading fails if it is a decompression bomb.
pub struct Bounded<'a> {
    tar: Box<dyn Read + 'a>,
    packed: Rc<Cell<u64>>,
    unpacked: u64,
    bomb: u64,
}

impl<'a> Bounded<'a> {
    pub fn new(stream: impl BufRead + 'a) -> Result<Self> {
        let packed = Rc::new(Cell::new(0));
        let counted = Counted { inner: stream, count: packed.clone() };
        Ok(Self { tar: unpacked(counted)?, packed, unpacked: 0, bomb: BOMB })
    }
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.tar.read(buffer)?;
        self.unpacked += length as u64;
        if self.unpacked > self.bomb && self.unpacked / RATIO > self.packed.get() {
            let why = format!("{} bytes of it become more than {}", self.packed.get(), self.unpacked);
            return Err(Error::Refused { member: "its content".into(), why }.into_io());
        }
        Ok(length)
    }
}

struct Counted<R> {
    inner: R,
    count: Rc<Cell<u64>>,
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, length: usize) {
        self.count.set(self.count.get() + length as u64);
        self.inner.consume(length);
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.count.set(self.count.get() + length as u64);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_archive_is_called_by_its_name() {
        for (start, what) in
            [(&b"hsqs...."[..], "squashfs"), (b"PK\x03\x04..", "zip"), (b"070701....", "cpio")]
        {
            let error = decompress(start).err().unwrap();
            assert!(
                error.to_string().contains(what)
                    && matches!(error, Error::Foreign { instead, .. } if instead.contains("hull import")),
                "{error}"
            );
        }
    }

    #[test]
    fn what_grows_out_of_all_proportion_is_refused() {
        let zeros = crate::testing::zstd(&vec![0; 10 << 20]);
        let mut bounded = Bounded::new(zeros.as_slice()).unwrap();
        bounded.bomb = 1 << 20;
        let error = std::io::copy(&mut bounded, &mut std::io::sink()).unwrap_err().to_string();
        assert!(error.contains("become more than"), "{error}");
        let mut bounded = Bounded::new(zeros.as_slice()).unwrap();
        assert_eq!(std::io::copy(&mut bounded, &mut std::io::sink()).unwrap(), 10 << 20);
    }
}
