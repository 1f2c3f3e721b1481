//! Reading files, with errors in Go's words.

use std::fs::File;
use std::io::Read;

use crate::{Error, Result};

/// The bytes of a file. A file over `limit` is refused before more of it is read.
pub(crate) fn read_bounded(path: &str, limit: u64) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(|error| Error::new(format!("open {path}: {}", errno(&error))))?;
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::new(format!("read {path}: {}", errno(&error))))?;
    match u64::try_from(bytes.len()).is_ok_and(|length| length > limit) {
        true => Err(Error::new(format!("{path}: the file is larger than {limit} bytes"))),
        false => Ok(bytes),
    }
}

/// The kernel's words, as Go has them: `no such file or directory`.
pub(crate) fn errno(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut characters = text.chars();
    characters.next().map(|first| first.to_lowercase().chain(characters).collect()).unwrap_or_default()
}
