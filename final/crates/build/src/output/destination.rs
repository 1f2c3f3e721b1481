//! The file that a result is written to.

use std::fs::{File, OpenOptions};
use std::path::Path;

use crate::Result;
use crate::error::IoContext;

/// Writes a file, which appears whole. Something that is no regular file, such as a FIFO, is written to as it is.
pub(super) fn write_file(path: &Path, write: &mut dyn FnMut(&File) -> Result<()>) -> Result<()> {
    let context = || format!("write {}", path.display());
    if std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        let file = OpenOptions::new().write(true).open(path).context(context)?;
        return write(&file);
    }
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".{}.partial", std::process::id()));
    let file = OpenOptions::new().write(true).create_new(true).open(&partial).context(context)?;
    let written = write(&file).and_then(|()| std::fs::rename(&partial, path).context(context));
    written.inspect_err(|_| drop(std::fs::remove_file(&partial)))
}
