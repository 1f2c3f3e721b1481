//! A request's body.

use std::io::{self, Read};
use std::os::fd::AsFd;

use super::connection::Connection;
use super::head::{Framing, Head};

/// The longest line that names a chunk's length.
const MAX_CHUNK_LINE: usize = 4096;

/// How far a body has been read.
#[derive(Debug)]
pub(super) struct Progress {
    state: State,
    /// The client waits for `100 Continue` before it sends the body.
    awaits_continue: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// So many bytes are left.
    Length(u64),
    /// The line with a chunk's length comes next.
    ChunkLine,
    /// So many bytes of the chunk are left, and the end of its line.
    Chunk(u64),
    Over,
    /// It is read elsewhere: [`LentBody`].
    Lent,
    /// It was malformed or cut short, so nobody knows where the next request begins.
    Broken,
}

impl Progress {
    pub fn new(head: &Head) -> Self {
        let state = match head.framing {
            Framing::Length(0) => State::Over,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::ChunkLine,
        };
        Self { state, awaits_continue: head.expects_continue && state != State::Over }
    }

    pub fn over() -> Self {
        Self { state: State::Over, awaits_continue: false }
    }

    /// What stands for a body that is lent. If it does not come back, nobody knows where the next request begins.
    fn lent() -> Self {
        Self { state: State::Lent, awaits_continue: true }
    }

    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// There is a body, and it is not in chunks.
    pub fn has_length(&self) -> bool {
        matches!(self.state, State::Length(_))
    }

    /// The client has not been told to send the body, so it may send another request in its place.
    pub fn was_not_asked_for(&self) -> bool {
        self.awaits_continue
    }
}

/// Reads a body to its end. A body that is cut short is an error.
pub struct Body<'a> {
    pub(super) connection: &'a mut Connection,
    pub(super) progress: &'a mut Progress,
}

impl Read for Body<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let read = self.read_some(bytes);
        if read.is_err() {
            self.progress.state = State::Broken;
        }
        read
    }
}

impl Body<'_> {
    fn read_some(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if std::mem::take(&mut self.progress.awaits_continue) {
            self.connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        loop {
            match self.progress.state {
                State::Broken => return Err(malformed("it was malformed before")),
                State::Over => return Ok(0),
                State::Lent => return Err(io::Error::other("the body is read elsewhere")),
                State::Length(left) => {
                    let length = self.take(bytes, left)?;
                    let left = left - length as u64;
                    self.progress.state = if left == 0 { State::Over } else { State::Length(left) };
                    return Ok(length);
                }
                State::ChunkLine => self.begin_chunk()?,
                State::Chunk(0) => {
                    if !self.line()?.is_empty() {
                        return Err(malformed("a chunk is longer than it says"));
                    }
                    self.progress.state = State::ChunkLine;
                }
                State::Chunk(left) => {
                    let length = self.take(bytes, left)?;
                    self.progress.state = State::Chunk(left - length as u64);
                    return Ok(length);
                }
            }
        }
    }
}

/// A body that is read while the answer is sent, on the same socket.
pub struct LentBody {
    connection: Connection,
    progress: Progress,
}

impl LentBody {
    pub(super) fn of(connection: &mut Connection, progress: &mut Progress) -> io::Result<Self> {
        let mut own = Connection::new(connection.as_fd().try_clone_to_owned()?);
        own.set_buffered(connection.take_buffered());
        Ok(Self { connection: own, progress: std::mem::replace(progress, Progress::lent()) })
    }

    pub(super) fn return_to(mut self, connection: &mut Connection, progress: &mut Progress) {
        connection.set_buffered(self.connection.take_buffered());
        *progress = self.progress;
    }

    /// Whether nothing is left to be read.
    pub fn is_over(&self) -> bool {
        self.progress.is_over()
    }
}

impl Read for LentBody {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        Body { connection: &mut self.connection, progress: &mut self.progress }.read(bytes)
    }
}

impl Body<'_> {
    fn take(&mut self, bytes: &mut [u8], left: u64) -> io::Result<usize> {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        match self.connection.read(&mut bytes[..most])? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the request's body is cut short")),
            length => Ok(length),
        }
    }

    /// The line `LENGTH[;EXTENSION]`; after the last chunk, the trailer up to its empty line.
    fn begin_chunk(&mut self) -> io::Result<()> {
        let line = self.line()?;
        let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let digits = std::str::from_utf8(digits)
            .ok()
            .filter(|digits| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let length = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        self.progress.state = match length.ok_or_else(|| malformed("a chunk has no length"))? {
            0 => {
                let mut read = 0;
                loop {
                    let line = self.line()?;
                    read += line.len();
                    if line.is_empty() {
                        break State::Over;
                    }
                    if read > MAX_CHUNK_LINE {
                        return Err(malformed("the trailer is too long"));
                    }
                }
            }
            length => State::Chunk(length),
        };
        Ok(())
    }

    /// The next line without its end.
    fn line(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let buffered = self.connection.buffered();
            if let Some(end) = buffered.iter().position(|byte| *byte == b'\n') {
                let line = buffered[..end].strip_suffix(b"\r").map(<[u8]>::to_vec);
                self.connection.consume(end + 1);
                return line.ok_or_else(|| malformed("a line does not end with CR LF"));
            }
            if buffered.len() > MAX_CHUNK_LINE {
                return Err(malformed("a line is too long"));
            }
            if self.connection.fill()? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the request's body is cut short"));
            }
        }
    }
}

fn malformed(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("malformed body: {why}"))
}
