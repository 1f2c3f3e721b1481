//! A client's socket, and the bytes that were read from it but not used yet.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};

/// How much is read at once.
const CHUNK: usize = 32 * 1024;

/// How long a client is listened to that may still be sending.
const LINGER: Duration = Duration::from_secs(1);

/// A connection to one client. The socket blocks.
#[derive(Debug)]
pub struct Connection {
    socket: OwnedFd,
    /// Bytes that were received and not taken.
    buffer: Vec<u8>,
    start: usize,
}

impl Connection {
    pub fn new(socket: OwnedFd) -> Self {
        Self { socket, buffer: Vec::new(), start: 0 }
    }

    /// The bytes that were read ahead.
    pub fn buffered(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Marks bytes of [`Self::buffered`] as used.
    pub fn consume(&mut self, length: usize) {
        self.start += length;
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
            // A long body is over, so its buffer need not stay with an idle connection.
            self.buffer.shrink_to(CHUNK);
        }
    }

    /// Takes all bytes that were read ahead.
    pub fn take_buffered(&mut self) -> Vec<u8> {
        let start = std::mem::take(&mut self.start);
        self.buffer.drain(..start);
        std::mem::take(&mut self.buffer)
    }

    /// Puts bytes before those that are still to be read.
    pub fn set_buffered(&mut self, bytes: Vec<u8>) {
        self.buffer = bytes;
        self.start = 0;
    }

    /// Waits for more bytes and reads them ahead. Returns 0 at the end of what the client sends.
    pub fn fill(&mut self) -> io::Result<usize> {
        self.buffer.drain(..std::mem::take(&mut self.start));
        let old = self.buffer.len();
        self.buffer.resize(old + CHUNK, 0);
        let received = loop {
            match rustix::net::recv(&self.socket, &mut self.buffer[old..], RecvFlags::empty()) {
                Ok((length, _)) => break Ok(length),
                Err(Errno::INTR) => {}
                Err(errno) => break Err(errno.into()),
            }
        };
        self.buffer.truncate(old + *received.as_ref().unwrap_or(&0));
        received
    }

    /// Reads bytes of a body: those that were read ahead, or else from the socket directly.
    pub fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.buffered().is_empty() {
            loop {
                match rustix::net::recv(&self.socket, &mut *bytes, RecvFlags::empty()) {
                    Ok((length, _)) => return Ok(length),
                    Err(Errno::INTR) => {}
                    Err(errno) => return Err(errno.into()),
                }
            }
        }
        let length = bytes.len().min(self.buffered().len());
        bytes[..length].copy_from_slice(&self.buffered()[..length]);
        self.consume(length);
        Ok(length)
    }

    /// Sends all bytes. A client that has gone is an error, not a signal.
    pub fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match rustix::net::send(&self.socket, bytes, SendFlags::NOSIGNAL) {
                Ok(length) => bytes = &bytes[length..],
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// Ends what is sent, and takes what the client still sends, for a moment. If the socket were closed with bytes that nobody
    /// has read, the client's next write would fail, and some clients then do not read the answer.
    pub fn linger(&mut self) {
        let _ = rustix::net::shutdown(&self.socket, Shutdown::Write);
        let deadline = Instant::now() + LINGER;
        let mut bytes = [0; 4096];
        while matches!(self.receives_before(deadline), Ok(true)) {
            match rustix::net::recv(&self.socket, &mut bytes[..], RecvFlags::empty()) {
                Ok((1.., _)) => {}
                _ => return,
            }
        }
    }

    /// Waits for bytes that were not read ahead, or for the end of what the client sends. False if none came in time.
    pub fn receives_before(&self, deadline: Instant) -> io::Result<bool> {
        let mut fds = [PollFd::new(&self.socket, PollFlags::IN)];
        loop {
            let left = deadline.saturating_duration_since(Instant::now()).try_into().ok();
            match poll(&mut fds, left.as_ref()) {
                Ok(count) => return Ok(count > 0),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
