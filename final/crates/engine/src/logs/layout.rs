//! The names of a log's files, on which the monitor that writes them and the commands that read them agree.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::attach::LogEnd;

/// The file name of the `n`-th newest log.
pub(crate) fn file_name(n: u32) -> String {
    if n == 0 { "log".into() } else { format!("log.{n}") }
}

/// The present end of the files in a container's directory, to which nobody writes.
pub(crate) fn end_of(directory: &Path) -> LogEnd {
    let newest = std::fs::metadata(directory.join(file_name(0)));
    newest.map_or(LogEnd::default(), |file| LogEnd { inode: file.ino(), size: file.len() })
}
