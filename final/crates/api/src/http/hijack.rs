//! A connection that has become a stream of bytes in both directions, as `attach` and `exec` use it.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};

use super::connection::Connection;

/// The connection after the head of the answer. It ends with the stream.
pub struct Hijacked<'a> {
    pub(super) connection: &'a mut Connection,
}

impl Hijacked<'_> {
    /// What the client has sent before it saw the answer.
    pub fn take_buffered(&mut self) -> Vec<u8> {
        self.connection.take_buffered()
    }
}

/// Waits until the client takes the bytes.
impl Write for Hijacked<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.connection.send(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Hijacked<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }
}
