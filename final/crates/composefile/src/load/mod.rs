//! Files and the environment become one project.
//!
//! ```text
//! options   what the command line says
//! sources   the texts that were read, and the warnings
//! ```

mod options;
mod sources;

use std::fs::File;
use std::io::Read;
use std::path::Path;

pub use options::{Dependencies, LoadOptions, ServiceEnvironment};
pub use sources::{Source, Sources, Warning, Warnings};

use crate::{Error, Result};

/// The bytes of a file. A file over `limit` is refused before more of it is read.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let failed = |error: std::io::Error| {
        let why = match error.raw_os_error() {
            Some(code) => errno(code, &error),
            None => error.to_string(),
        };
        Error::new(format!("open {}: {why}", path.display()))
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    match u64::try_from(bytes.len()).is_ok_and(|length| length > limit) {
        true => Err(Error::new(format!("{}: the file is larger than {limit} bytes", path.display()))),
        false => Ok(bytes),
    }
}

/// The kernel's words without Rust's "(os error 2)".
fn errno(code: i32, error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.strip_suffix(&format!(" (os error {code})")).unwrap_or(&text);
    let mut characters = text.chars();
    characters.next().map(|first| first.to_lowercase().chain(characters).collect()).unwrap_or_default()
}
