//! Recognised by its first bytes, whatever the file is called.

use std::cell::Cell;
use std::io::{BufReader, Read};
use std::rc::Rc;

use crate::error::{Context, Error, Result};
use crate::members::fill;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    Plain,
    Gzip,
    Zstd,
}

impl Compression {
    pub(crate) fn of(start: &[u8]) -> Result<Self> {
        let unknown = |name: &str| {
            let why = format!("it is compressed with {name}; hull reads gzip, zstd and plain tars");
            Err(Error::Invalid { what: "archive".into(), why })
        };
        match start {
            [0x1f, 0x8b, ..] => Ok(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Ok(Self::Zstd),
            // A skippable frame: parallel writers begin with one. RFC 8878, 3.1.2.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Self::Zstd),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => unknown("xz"),
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => unknown("bzip2"),
            _ => Ok(Self::Plain),
        }
    }

    /// Of a layer's media type.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Gzip => "+gzip",
            Self::Zstd => "+zstd",
        }
    }
}

/// The tar inside: plain, gzip (with any number of members) or zstd.
pub fn decompress<'a>(mut stream: impl Read + 'a) -> Result<Box<dyn Read + 'a>> {
    let mut start = [0; 6];
    // A pipe may give them one by one.
    let length = fill(&mut stream, &mut start)?;
    let compression = Compression::of(&start[..length])?;
    let whole = std::io::Cursor::new(start).take(length as u64).chain(stream);
    let stream = BufReader::with_capacity(128 * 1024, whole);
    Ok(match compression {
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(stream)),
        Compression::Zstd => {
            Box::new(zstd::Decoder::with_buffer(stream).context(|| "read the archive".into())?)
        }
        Compression::Plain => Box::new(stream),
    })
}

/// More than this of a little is no layer: whole disks of zeros are said by holes.
const BOMB: u64 = 4 << 30;
const RATIO: u64 = 200;

/// The tar inside, unless it is one of those that grow out of all proportion.
pub(crate) struct Bounded<'a> {
    tar: Box<dyn Read + 'a>,
    packed: Rc<Cell<u64>>,
    unpacked: u64,
    bomb: u64,
}

impl<'a> Bounded<'a> {
    pub(crate) fn new(stream: impl Read + 'a) -> Result<Self> {
        let packed = Rc::new(Cell::new(0));
        let counted = Counted { inner: stream, count: packed.clone() };
        Ok(Self { tar: decompress(counted)?, packed, unpacked: 0, bomb: BOMB })
    }
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.tar.read(buffer)?;
        self.unpacked += length as u64;
        if self.unpacked > self.bomb && self.unpacked / RATIO > self.packed.get() {
            let why = format!("{} bytes of it become more than {}", self.packed.get(), self.unpacked);
            return Err(Error::Refused { member: "a layer".into(), why }.into_io());
        }
        Ok(length)
    }
}

struct Counted<R> {
    inner: R,
    count: Rc<Cell<u64>>,
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
