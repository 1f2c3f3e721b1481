//! What a copy is made of: one entry per file, from whatever holds them to whatever takes them.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Stat, Timespec};

use crate::error::Result;

#[derive(Debug)]
pub(super) struct Entry {
    /// Below the destination. Empty: the destination itself.
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
    /// Another name of an entry that was there before.
    HardLink(PathBuf),
}

pub(super) enum Content<'a> {
    None,
    File(&'a mut File),
    Stream(&'a mut dyn Read),
}

/// Where entries go: a directory or a tar.
pub(super) trait Sink {
    /// A directory comes before what is in it.
    fn put(&mut self, entry: &Entry, content: Content<'_>) -> Result<()>;

    /// False where the two names cannot be one file: then it is to be put as a file of its own.
    fn link(&mut self, entry: &Entry, target: &Path) -> Result<bool>;

    /// Whether a directory is the one being written to.
    fn is_destination(&self, stat: &Stat) -> bool;
}

/// For messages: a name that a container made must not reach a terminal as it is.
pub(super) fn shown(path: &Path) -> String {
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    path.to_string_lossy().chars().map(escape).collect()
}

/// Reads all that `stream` has, and says so when it is not `size`: the length is written before the content is.
pub(super) fn copy_exactly(mut from: impl Read, to: &mut impl io::Write, size: u64) -> io::Result<()> {
    match io::copy(&mut from.by_ref().take(size), to)? {
        copied if copied == size => Ok(()),
        copied => Err(io::Error::other(format!("it ended after {copied} of {size} bytes"))),
    }
}
