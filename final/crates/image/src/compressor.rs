//! Compresses what is written.

use std::io::{self, Write};

/// How an archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackedWith {
    Nothing,
    Gzip,
    Zstd,
}

impl PackedWith {
    /// What follows `.tar` in the name of such a file.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }
}

/// A writer that compresses. Without [`Packing::finish`] the end is missing.
pub enum Packing<W: Write> {
    Nothing(W),
    Gzip(flate2::write::GzEncoder<W>),
    Zstd(zstd::Encoder<'static, W>),
}

impl<W: Write> Packing<W> {
    pub fn new(to: W, with: PackedWith) -> io::Result<Self> {
        Ok(match with {
            PackedWith::Nothing => Self::Nothing(to),
            PackedWith::Gzip => Self::Gzip(flate2::write::GzEncoder::new(to, flate2::Compression::default())),
            PackedWith::Zstd => Self::Zstd(zstd::Encoder::new(to, 3)?),
        })
    }

    /// Writes what is left, and the end of the compressed stream.
    pub fn finish(self) -> io::Result<()> {
        match self {
            Self::Nothing(mut to) => to.flush(),
            Self::Gzip(encoder) => encoder.finish()?.flush(),
            Self::Zstd(encoder) => encoder.finish()?.flush(),
        }
    }
}

impl<W: Write> Write for Packing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Nothing(to) => to.write(bytes),
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Nothing(to) => to.flush(),
            Self::Gzip(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }
}
