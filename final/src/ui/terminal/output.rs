//! The program's output on stdout and stderr.

use std::os::fd::{AsFd, BorrowedFd};

use anyhow::{Context, Result};
use hull_engine::Stream;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

/// pipe(7), `PIPE_BUF`: a pipe that poll(2) calls writable takes this many bytes without blocking.
const PIPE_BUF: usize = 4096;

/// How far a write has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    Bytes(usize),
    /// A signal is to be read first.
    Interrupted,
    /// No process reads the stream any more.
    ReaderGone,
}

/// This command's descriptor for a stream of the program.
pub(super) fn descriptor(stream: Stream) -> BorrowedFd<'static> {
    match stream {
        Stream::Stdout => rustix::stdio::stdout(),
        Stream::Stderr => rustix::stdio::stderr(),
    }
}

/// Writes a piece of `bytes` as soon as the reader takes it, or stops for a signal. If a slow reader kept the command from
/// reading its signals, only SIGKILL could end a command that writes into a full pipe.
pub(super) fn write(stream: Stream, bytes: &[u8], signals: &impl AsFd) -> Result<Written> {
    let fd = descriptor(stream);
    let mut fds = [PollFd::new(&fd, PollFlags::OUT), PollFd::new(signals, PollFlags::IN)];
    match poll(&mut fds, None) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(errno) => return Err(errno).context("cannot wait for the reader of the output"),
    }
    if !fds[1].revents().is_empty() {
        return Ok(Written::Interrupted);
    }
    if fds[0].revents().is_empty() {
        return Ok(Written::Bytes(0));
    }
    match rustix::io::write(fd, &bytes[..bytes.len().min(PIPE_BUF)]) {
        Ok(written) => Ok(Written::Bytes(written)),
        Err(Errno::INTR | Errno::AGAIN) => Ok(Written::Bytes(0)),
        Err(Errno::PIPE) => Ok(Written::ReaderGone),
        Err(errno) => Err(errno).context("cannot write the container's output"),
    }
}
