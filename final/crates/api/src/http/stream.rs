//! An answer that is sent in pieces while the handler works.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};

use serde::Serialize;

use super::connection::Connection;
use crate::failure::{Failure, Result};

/// How much is collected before it is sent without being flushed.
const CHUNK: usize = 32 * 1024;

/// The body of an answer whose length is not known: chunked, or for HTTP/1.0 up to the end of the connection.
///
/// An answer that is not [finished](Self::finish) ends the connection, which tells the client that it is cut short.
pub struct Stream<'a> {
    pub(super) connection: &'a mut Connection,
    pub(super) is_chunked: bool,
    pub(super) buffer: Vec<u8>,
    /// Set when the client has all of it.
    pub(super) is_finished: &'a mut bool,
}

impl Stream<'_> {
    /// Sends an object of a stream of JSON, at once.
    pub fn json_line(&mut self, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_vec(value).map_err(|error| Failure::new(500, error.to_string()))?;
        self.buffer.extend_from_slice(&text);
        // docker-py splits at this.
        self.buffer.extend_from_slice(b"\r\n");
        self.flush().map_err(Failure::client_gone)
    }

    pub fn finish(mut self) -> Result<()> {
        self.flush().map_err(Failure::client_gone)?;
        if self.is_chunked {
            self.connection.send(b"0\r\n\r\n").map_err(Failure::client_gone)?;
            *self.is_finished = true;
        }
        Ok(())
    }
}

impl Write for Stream<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        if self.is_chunked {
            let line = format!("{:x}\r\n", self.buffer.len());
            self.buffer.splice(..0, line.into_bytes());
            self.buffer.extend_from_slice(b"\r\n");
        }
        let sent = self.connection.send(&self.buffer);
        self.buffer.clear();
        sent
    }
}

/// The client's socket, on which poll(2) reports that it has gone.
impl AsFd for Stream<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }
}
