//! Sinks: what takes entries, a directory or a tar.

use std::io::{self, Read, Write};
use std::path::Path;

use hull_image::packing::Packer;
pub(super) use hull_image::packing::{Content, Entry, Kind};
use rustix::fs::Stat;

use crate::error::{IoContext, Result};

/// Takes entries: a directory or a tar.
pub(super) trait Sink {
    /// Adds an entry. A directory comes before its content.
    fn put(&mut self, entry: &Entry, content: Content<'_>) -> Result<()>;

    /// Returns false if the two names cannot be links to one file. The caller then adds the entry as a file of its own.
    fn link(&mut self, entry: &Entry, target: &Path) -> Result<bool>;

    /// Whether a directory is the one being written to.
    fn is_destination(&self, stat: &Stat) -> bool;

    /// Whether names that a layer's tar gives whiteouts are refused. They are not where no tar is made.
    fn refuses_whiteouts(&self) -> bool {
        true
    }
}

impl<W: Write> Sink for Packer<W> {
    fn put(&mut self, entry: &Entry, content: Content<'_>) -> Result<()> {
        Packer::put(self, entry, content).context(|| format!("write {} to the tar", shown(&entry.path)))
    }

    fn link(&mut self, entry: &Entry, _target: &Path) -> Result<bool> {
        Sink::put(self, entry, Content::None).map(|()| true)
    }

    fn is_destination(&self, _stat: &Stat) -> bool {
        false
    }
}

/// Ends a tar.
pub(super) fn finish(packer: Packer<impl Write>) -> Result<()> {
    packer.finish().context(|| "write the tar".into())
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
