//! The monitor's ends of the container's stdin, stdout and stderr.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use rustix::termios::Winsize;

use crate::error::{IoContext, Result};
use crate::records::options::WindowSize;
use crate::records::stream::Stream;

/// How many bytes of stdin may be queued for the container. More are left in the socket of the client.
const STDIN_WAITING: usize = 64 * 1024;

/// The monitor's ends.
#[derive(Debug, Default)]
pub(super) struct Streams {
    pub stdin: Option<OwnedFd>,
    pub stdout: Option<OwnedFd>,
    pub stderr: Option<OwnedFd>,
    /// A terminal: input, output and size in one.
    pub console: Option<OwnedFd>,
    /// The size of the terminal that a client last asked for.
    pub size: Option<WindowSize>,
    /// All processes inside have closed the terminal. One may open it again.
    hung_up: bool,
    waiting: VecDeque<u8>,
    /// stdin is closed once the container has read what is queued.
    ending: bool,
}

/// The container's ends, closed in the monitor once the container has them.
#[derive(Debug)]
pub(super) struct ChildEnds {
    pub stdin: Option<OwnedFd>,
    pub stdout: Option<OwnedFd>,
    pub stderr: Option<OwnedFd>,
}

pub(super) enum Read {
    Data(usize),
    Again,
    End,
}

impl Streams {
    /// Pipes; without `-i`, stdin is empty.
    pub(super) fn pipes(interactive: bool) -> Result<(Self, ChildEnds)> {
        let pipe = || rustix::pipe::pipe_with(PipeFlags::CLOEXEC).context(|| "create a pipe".into());
        let (stdout, child_stdout) = pipe()?;
        let (stderr, child_stderr) = pipe()?;
        let (child_stdin, stdin) = match interactive {
            true => {
                let (read, write) = pipe()?;
                (Some(read), Some(write))
            }
            false => (Some(null()?), None),
        };
        let streams = Self { stdin, stdout: Some(stdout), stderr: Some(stderr), ..Self::default() };
        streams.set_nonblocking()?;
        let child = ChildEnds { stdin: child_stdin, stdout: Some(child_stdout), stderr: Some(child_stderr) };
        Ok((streams, child))
    }

    pub(super) fn terminal(console: Option<OwnedFd>) -> Result<Self> {
        let console = console
            .ok_or_else(|| std::io::Error::other("the runtime opened none"))
            .context(|| "open the terminal".into())?;
        let streams = Self { console: Some(console), ..Self::default() };
        streams.set_nonblocking()?;
        Ok(streams)
    }

    pub(super) fn sized(self, size: Option<WindowSize>) -> Self {
        Self { size, ..self }
    }

    /// Makes the monitor's ends non-blocking. The flag belongs to the open file description, and the container's ends
    /// have their own.
    fn set_nonblocking(&self) -> Result<()> {
        for fd in [&self.stdin, &self.stdout, &self.stderr, &self.console].into_iter().flatten() {
            rustix::io::ioctl_fionbio(fd, true).context(|| "make a pipe non-blocking".into())?;
        }
        Ok(())
    }

    /// The descriptor to poll for a stream's output. A terminal that is closed in the container is left out, because
    /// poll(2) would return at once.
    pub(super) fn output_to_poll(&self, stream: Stream) -> Option<&OwnedFd> {
        self.output(stream).filter(|_| !(self.hung_up && stream == Stream::Stdout))
    }

    pub(super) fn is_hung_up(&self) -> bool {
        self.hung_up
    }

    /// The descriptor that carries a stream's output.
    fn output(&self, stream: Stream) -> Option<&OwnedFd> {
        match stream {
            Stream::Stdout => self.console.as_ref().or(self.stdout.as_ref()),
            Stream::Stderr => self.stderr.as_ref(),
        }
    }

    pub(super) fn read(&mut self, stream: Stream, buffer: &mut [u8]) -> Read {
        let Some(fd) = self.output(stream) else { return Read::Again };
        match rustix::io::read(fd, buffer) {
            Ok(length) if length > 0 => {
                self.hung_up = false;
                Read::Data(length)
            }
            Err(Errno::AGAIN) => {
                self.hung_up = false;
                Read::Again
            }
            Err(Errno::INTR) => Read::Again,
            // The last slave of the terminal has been closed (pty(7)). A slave held by the monitor would prevent that,
            // but then the end of the session's leader would hang up the terminal, and its last output would be lost.
            Err(Errno::IO) if self.console.is_some() => {
                self.hung_up = true;
                Read::Again
            }
            Ok(_) | Err(_) => Read::End,
        }
    }

    pub(super) fn close_output(&mut self, stream: Stream) {
        match stream {
            Stream::Stdout => {
                self.stdout = None;
                self.console = None;
            }
            Stream::Stderr => self.stderr = None,
        }
    }

    /// Closes a pipe that nobody reads any more. A terminal stays open.
    pub(super) fn close_pipe(&mut self, stream: Stream) {
        if self.console.is_none() {
            self.close_output(stream);
        }
    }

    fn input(&self) -> Option<&OwnedFd> {
        self.console.as_ref().or(self.stdin.as_ref())
    }

    /// The descriptor to poll until the container reads more input, if some is queued.
    pub(super) fn input_to_poll(&self) -> Option<(&OwnedFd, PollFlags)> {
        self.input().filter(|_| !self.waiting.is_empty()).map(|fd| (fd, PollFlags::OUT))
    }

    pub(super) fn wants_input(&self) -> bool {
        self.waiting.len() < STDIN_WAITING
    }

    pub(super) fn feed(&mut self, data: &[u8]) {
        if self.input().is_some() && !self.ending {
            self.waiting.extend(data);
            self.flush_input();
        }
    }

    /// Closes stdin once the container has read what is queued. A terminal stays open; there the user types ctrl-d.
    pub(super) fn end_input(&mut self) {
        self.ending = true;
        self.flush_input();
    }

    pub(super) fn flush_input(&mut self) {
        while let (Some(fd), false) = (self.input(), self.waiting.is_empty()) {
            let (head, _) = self.waiting.as_slices();
            match rustix::io::write(fd, head) {
                Ok(written) => drop(self.waiting.drain(..written)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                // The container has closed its stdin.
                Err(_) => {
                    self.waiting.clear();
                    self.stdin = None;
                }
            }
        }
        if self.ending && self.waiting.is_empty() {
            self.stdin = None;
        }
    }

    pub(super) fn resize(&mut self, rows: u16, columns: u16) {
        self.size = Some((rows, columns));
        if let Some(console) = &self.console {
            let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
            // The call fails for a terminal that has just been closed, which needs no size.
            let _ = rustix::termios::tcsetwinsize(console.as_fd(), size);
        }
    }
}

/// /dev/null, the stdin of a container without one.
pub(super) fn null() -> Result<OwnedFd> {
    use rustix::fs::{Mode, OFlags};
    rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .context(|| "open /dev/null".into())
}
