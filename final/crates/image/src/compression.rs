//! Recognised by its first bytes, whatever the file is called.

use std::io::{BufRead, BufReader, Read};

use crate::error::{Context, Result};

/// The tar inside: plain, gzip (with any number of members) or zstd.
pub(crate) fn decompress<'a>(stream: impl Read + 'a) -> Result<Box<dyn Read + 'a>> {
    let mut stream = BufReader::with_capacity(128 * 1024, stream);
    let start = stream.fill_buf().context(|| "read the archive".into())?;
    Ok(match start {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(stream)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            Box::new(zstd::Decoder::with_buffer(stream).context(|| "read the archive".into())?)
        }
        _ => Box::new(stream),
    })
}
