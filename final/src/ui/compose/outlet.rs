//! Text for stdout and stderr that is written as fast as it is read, while the caller's loop goes on: a reader that is slow
//! must not keep the command from its signals.

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;

use anyhow::{Context, Result};
use hull_engine::Stream;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::ui::reader_gone::ReaderGone;

/// pipe(7), `PIPE_BUF`: a pipe that poll(2) calls writable takes this many bytes without blocking.
const PIPE_BUF: usize = 4096;

/// From here on the caller should read no more of what it wants to write.
const ENOUGH: usize = 1 << 20;

#[derive(Debug, Default)]
pub struct Outlet {
    pieces: VecDeque<(Stream, Vec<u8>)>,
    /// How much of the first piece is written.
    written: usize,
    waiting: usize,
}

fn descriptor(stream: Stream) -> BorrowedFd<'static> {
    match stream {
        Stream::Stdout => rustix::stdio::stdout(),
        Stream::Stderr => rustix::stdio::stderr(),
    }
}

impl Outlet {
    /// Adds text. Both streams may be the same terminal, so the order of all text is kept.
    pub fn add(&mut self, stream: Stream, bytes: &[u8]) {
        self.waiting += bytes.len();
        match self.pieces.back_mut() {
            Some((last, piece)) if *last == stream && piece.len() < 16 * PIPE_BUF => {
                piece.extend_from_slice(bytes);
            }
            _ => self.pieces.push_back((stream, bytes.to_vec())),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    pub fn has_enough(&self) -> bool {
        self.waiting > ENOUGH
    }

    /// What to poll for: that the next piece can be written, or else that the reader of stdout has gone.
    pub fn interest(&self) -> PollFd<'static> {
        match self.pieces.front() {
            Some((stream, _)) => PollFd::from_borrowed_fd(descriptor(*stream), PollFlags::OUT),
            None => PollFd::from_borrowed_fd(rustix::stdio::stdout(), PollFlags::empty()),
        }
    }

    /// Writes after poll(2) has found `flags`. Fails with [`ReaderGone`] if nobody reads any more.
    pub fn write(&mut self, flags: PollFlags) -> Result<()> {
        if flags.contains(PollFlags::OUT) {
            self.write_piece()
        } else if flags.intersects(PollFlags::ERR | PollFlags::HUP) {
            Err(gone())
        } else {
            Ok(())
        }
    }

    fn write_piece(&mut self) -> Result<()> {
        let Some((stream, piece)) = self.pieces.front() else { return Ok(()) };
        let rest = &piece[self.written..];
        match rustix::io::write(descriptor(*stream), &rest[..rest.len().min(PIPE_BUF)]) {
            Ok(count) => {
                self.written += count;
                self.waiting -= count;
            }
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(Errno::PIPE | Errno::IO) => return Err(gone()),
            Err(errno) => return Err(errno).context("cannot write the containers' output"),
        }
        if self.pieces.front().is_some_and(|(_, piece)| piece.len() <= self.written) {
            self.pieces.pop_front();
            self.written = 0;
        }
        Ok(())
    }

    /// Writes until there is room again, or until there is something on `interruption`.
    pub fn make_room(&mut self, interruption: Option<BorrowedFd<'_>>) -> Result<()> {
        while self.has_enough() {
            let mut fds = vec![self.interest()];
            fds.extend(interruption.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
            match poll(&mut fds, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno).context("cannot wait for the reader of the output"),
            }
            let flags = fds[0].revents();
            if fds.get(1).is_some_and(|fd| !fd.revents().is_empty()) {
                return Ok(());
            }
            self.write(flags)?;
        }
        Ok(())
    }

    /// Writes all that is left, however long the reader takes.
    pub fn finish(&mut self) -> Result<()> {
        while !self.is_empty() {
            self.write_piece()?;
        }
        Ok(())
    }
}

fn gone() -> anyhow::Error {
    std::io::Error::new(std::io::ErrorKind::BrokenPipe, ReaderGone).into()
}
