//! Compresses what is written.

use std::io::{self, Write};
use std::path::Path;

/// How an archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackedWith {
    Nothing,
    Gzip,
    Zstd,
}

impl PackedWith {
    /// By the word of a flag: `gzip`, `zstd` or `none`.
    pub fn named(word: &str) -> Self {
        match word {
            "gzip" => Self::Gzip,
            "zstd" => Self::Zstd,
            _ => Self::Nothing,
        }
    }

    /// What the name of a file says. A name that says nothing stands for a plain tar.
    pub fn of_file(path: &Path) -> Self {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("gz" | "tgz") => Self::Gzip,
            Some("zst" | "tzst") => Self::Zstd,
            _ => Self::Nothing,
        }
    }

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

#[test]
fn the_name_of_a_file_says_how_it_is_compressed() {
    let of = |name: &str| PackedWith::of_file(Path::new(name));
    assert_eq!((of("a.tar.gz"), of("/x/a.tgz")), (PackedWith::Gzip, PackedWith::Gzip));
    assert_eq!(
        (of("a.tar.zst"), of("a.tar"), of("gz")),
        (PackedWith::Zstd, PackedWith::Nothing, PackedWith::Nothing)
    );
}
