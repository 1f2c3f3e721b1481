//! Entries: one for each file on its way from a source (a directory or a tar) to a sink (a directory or a tar).

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Stat, Timespec};

use crate::error::Result;

#[derive(Debug)]
pub(super) struct Entry {
    /// Relative to the destination. Empty for the destination itself.
    pub path: PathBuf,
    pub kind: Kind,
    pub uid: u32,
    pub gid: u32,
    /// Permissions, set-ID bits and sticky bit.
    pub mode: u32,
    pub modified: Timespec,
    pub attributes: Vec<(CString, Vec<u8>)>,
}

#[derive(Debug)]
pub(super) enum Kind {
    Directory,
    File {
        size: u64,
    },
    Symlink(PathBuf),
    /// A device or a FIFO.
    Node {
        kind: FileType,
        device: u64,
    },
    /// Another name of an earlier entry.
    HardLink(PathBuf),
}

pub(super) enum Content<'a> {
    None,
    File(&'a mut File),
    Stream(&'a mut dyn Read),
}

/// Takes entries: a directory or a tar.
pub(super) trait Sink {
    /// Adds an entry. A directory comes before its content.
    fn put(&mut self, entry: &Entry, content: Content<'_>) -> Result<()>;

    /// Returns false if the two names cannot be links to one file. The caller then adds the entry as a file of its own.
    fn link(&mut self, entry: &Entry, target: &Path) -> Result<bool>;

    /// Whether a directory is the one being written to.
    fn is_destination(&self, stat: &Stat) -> bool;
}

/// A name for messages. A container may have chosen it, so control characters must not reach a terminal.
pub(super) fn shown(path: &Path) -> String {
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    path.to_string_lossy().chars().map(escape).collect()
}

/// Reads `stream` to its end, and fails if its length is not `size`, which was written before the content.
pub(super) fn copy_exactly(mut from: impl Read, to: &mut impl io::Write, size: u64) -> io::Result<()> {
    match io::copy(&mut from.by_ref().take(size), to)? {
        copied if copied == size => Ok(()),
        copied => Err(io::Error::other(format!("it ended after {copied} of {size} bytes"))),
    }
}
