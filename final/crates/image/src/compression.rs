//! Recognised by its first bytes, whatever the file is called.

use std::io::{BufReader, Read};

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
