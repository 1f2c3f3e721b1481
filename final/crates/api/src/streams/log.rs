//! A container's log as a stream of frames.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};

use hull_engine::{LogSink, Stream};

use super::frames::Framing;

/// How much is collected before it is written.
const BLOCK: usize = 64 * 1024;

/// Writes each entry of a log as a frame of its own, as dockerd does: clients show frames as lines.
pub struct LogWriter<'a, W> {
    to: W,
    /// Whether stdout, and stderr, are wanted.
    output: [bool; 2],
    framing: &'a Framing,
    bytes: Vec<u8>,
    /// The entry that is being written, and where it begins.
    entry: Option<(Stream, usize)>,
    /// Entries that are not wanted.
    dropped: Vec<u8>,
}

impl<'a, W: Write + AsFd> LogWriter<'a, W> {
    pub fn new(to: W, output: [bool; 2], framing: &'a Framing) -> Self {
        Self { to, output, framing, bytes: Vec::with_capacity(BLOCK), entry: None, dropped: Vec::new() }
    }

    pub fn into_inner(self) -> W {
        self.to
    }

    fn write(&mut self) -> io::Result<()> {
        self.end_entry();
        self.to.write_all(&self.bytes)?;
        self.bytes.clear();
        Ok(())
    }

    fn end_entry(&mut self) {
        if let Some((stream, at)) = self.entry.take() {
            self.framing.end(stream, at, &mut self.bytes);
        }
    }
}

impl<W: Write + AsFd> LogSink for LogWriter<'_, W> {
    fn buffer(&mut self, stream: Stream) -> io::Result<&mut Vec<u8>> {
        if !self.output[usize::from(stream == Stream::Stderr)] {
            self.dropped.clear();
            return Ok(&mut self.dropped);
        }
        self.end_entry();
        if self.bytes.len() >= BLOCK {
            self.write()?;
        }
        self.entry = Some((stream, self.framing.begin(stream, &mut self.bytes)));
        Ok(&mut self.bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write()?;
        self.to.flush()
    }

    fn reader(&self) -> BorrowedFd<'_> {
        self.to.as_fd()
    }

    fn is_client(&self) -> bool {
        true
    }
}
