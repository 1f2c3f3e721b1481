//! What workers tell their parent: a pipe with records of the same length, each written at once.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

/// A worker with this pid has accepted a connection.
#[derive(Debug)]
pub struct Writer(OwnedFd);

#[derive(Debug)]
pub struct Reader(OwnedFd);

pub fn pipe() -> io::Result<(Reader, Writer)> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    Ok((Reader(reader), Writer(writer)))
}

impl Writer {
    /// The pipe holds thousands of records, so it is not full unless the parent is stopped; then the parent learns of the
    /// worker by its end.
    pub fn say_busy(&self) {
        let pid = std::process::id().to_ne_bytes();
        let _ = rustix::io::write(&self.0, &pid);
    }
}

impl Reader {
    /// The pids of the workers that have accepted a connection since the last call.
    pub fn read(&self) -> Vec<u32> {
        let mut pids = Vec::new();
        let mut record = [0; 4];
        loop {
            match rustix::io::read(&self.0, &mut record) {
                Ok(4) => pids.push(u32::from_ne_bytes(record)),
                Err(Errno::INTR) => {}
                // Records are written whole, so there is no part of one.
                Ok(_) | Err(_) => return pids,
            }
        }
    }
}

impl AsFd for Reader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
