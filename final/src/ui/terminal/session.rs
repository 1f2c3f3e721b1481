//! The loop of an attached command. It keeps receiving while a send waits: a command that blocked in a send would not
//! read the container's output, the container would block on its stdout, and would never read the stdin that is sent.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hull_docker::detach_keys::{DetachKeys, Typed};
use hull_engine::{AttachEvent, AttachInput, AttachStream, Stream};
use hull_sys::terminal::{RawMode, window_size};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::output::{self, Written};
use super::signals::{Received, Signals};
use super::{Options, WhenUnread};
use crate::ui::errors;
use crate::ui::hints::Code;

/// How long a program of `exec` may take to end once nobody reads its output.
const UNREAD_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a program may take to print its prompt again.
const REDRAW_TIMEOUT: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Exited(u8),
    Detached,
    /// No process reads the output any more.
    ReaderGone,
    /// The user interrupted the command until it gave up. The container was sent the signals, and may keep running.
    Interrupted,
}

pub(super) struct Session {
    stream: AttachStream,
    signals: Signals,
    /// Only a terminal has detach keys. In a pipe the same bytes are data.
    keys: Option<DetachKeys>,
    stdin_open: bool,
    /// Whether stdout and stderr are printed.
    output: [bool; 2],
    when_unread: WhenUnread,
    /// Whether stdout and stderr have lost their readers.
    unread: [bool; 2],
    /// When this command stops waiting for a program whose output nobody reads.
    deadline: Option<Instant>,
    /// When the true size is sent, after another one.
    true_size_at: Option<Instant>,
}

/// What poll(2) has found.
struct Ready {
    stream: bool,
    signal: bool,
    stdout_gone: bool,
    stdin: bool,
}

impl Session {
    pub(super) fn run(stream: AttachStream, options: Options) -> Result<End> {
        let signals = Signals::take_over(options.tty, options.sig_proxy)?;
        // Dropped at the end of this function, which restores the terminal's mode.
        let _raw = options.tty.then(RawMode::enter).flatten();
        let mut session = Self {
            stream,
            signals,
            keys: options.tty.then_some(options.detach_keys),
            stdin_open: options.stdin,
            output: options.output,
            when_unread: options.when_unread,
            unread: [false; 2],
            deadline: None,
            true_size_at: None,
        };
        match window_size().filter(|_| options.redraw) {
            Some(size) => session.provoke_a_prompt(size)?,
            None if options.tty => session.send_size()?,
            None => {}
        }
        session.relay()
    }

    fn relay(&mut self) -> Result<End> {
        let mut buffer = Vec::new();
        loop {
            let ready = self.wait()?;
            if self.true_size_at.is_some_and(|at| ready.stream || at <= Instant::now()) {
                self.true_size_at = None;
                self.send_size()?;
            }
            if ready.stream
                && let Some(code) = self.receive(&mut buffer)?
            {
                return Ok(End::Exited(code));
            }
            if ready.stdout_gone {
                self.note_reader_gone(Stream::Stdout)?;
            }
            self.stream.flush()?;
            if ready.signal {
                self.pass_signal_on()?;
            }
            if let Some(end) = self.has_to_end() {
                return Ok(end);
            }
            if ready.stdin && !self.stream.is_pending() && self.forward_stdin()? {
                self.stream.send(AttachInput::Detach)?;
                return Ok(End::Detached);
            }
        }
    }

    fn has_to_end(&self) -> Option<End> {
        if self.signals.has_to_end() {
            return Some(End::Interrupted);
        }
        // Only stdin was attached: nothing more can happen here.
        if self.output == [false; 2] && !self.stdin_open && !self.stream.is_pending() {
            return Some(End::Detached);
        }
        let unread = match self.when_unread {
            WhenUnread::CloseOutput => self.deadline.is_some_and(|at| at <= Instant::now()),
            WhenUnread::Detach => self.unread.contains(&true),
        };
        unread.then_some(End::ReaderGone)
    }

    fn wait(&self) -> Result<Ready> {
        let (stdin, stdout) = (rustix::stdio::stdin(), rustix::stdio::stdout());
        let idle = !self.stream.is_pending();
        let stream = if idle { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
        let mut fds = vec![PollFd::new(&self.stream, stream), PollFd::new(&self.signals, PollFlags::IN)];
        // poll(2) reports POLLERR without being asked for it, so a lost reader is noticed even while the container
        // prints nothing.
        let watches_stdout = self.output[0] && !self.unread[Stream::Stdout as usize];
        if watches_stdout {
            fds.push(PollFd::new(&stdout, PollFlags::empty()));
        }
        if idle && self.stdin_open {
            fds.push(PollFd::new(&stdin, PollFlags::IN));
        }
        let next = [self.deadline, self.true_size_at].into_iter().flatten().min();
        let left = next.map(|at| at.saturating_duration_since(Instant::now()));
        match poll(&mut fds, left.and_then(|left| left.try_into().ok()).as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno).context("cannot wait for the container"),
        }
        let found = |at: usize, flags| fds.get(at).is_some_and(|fd| fd.revents().intersects(flags));
        let readable = |at| found(at, PollFlags::IN | PollFlags::HUP);
        Ok(Ready {
            stream: readable(0),
            signal: readable(1),
            stdout_gone: watches_stdout && found(2, PollFlags::ERR | PollFlags::HUP),
            stdin: readable(if watches_stdout { 3 } else { 2 }),
        })
    }

    /// Takes one event. Returns the exit code when the program has ended.
    fn receive(&mut self, buffer: &mut Vec<u8>) -> Result<Option<u8>> {
        match self.stream.receive(buffer)? {
            Some(AttachEvent::Output { stream, bytes }) => self.print(stream, bytes)?,
            Some(AttachEvent::Uncleaned(error)) => {
                errors::report(&anyhow::Error::from(error), Code::Plain);
            }
            Some(AttachEvent::Exited(code)) => return Ok(Some(code)),
            None => {}
        }
        Ok(None)
    }

    fn print(&mut self, stream: Stream, mut bytes: &[u8]) -> Result<()> {
        if !self.output[stream as usize] {
            return Ok(());
        }
        while !bytes.is_empty() && !self.unread[stream as usize] && !self.signals.has_to_end() {
            match output::write(stream, bytes, &self.signals)? {
                Written::Bytes(count) => bytes = &bytes[count..],
                Written::Interrupted => self.pass_signal_on()?,
                Written::ReaderGone => self.note_reader_gone(stream)?,
            }
        }
        Ok(())
    }

    fn note_reader_gone(&mut self, stream: Stream) -> Result<()> {
        let known = std::mem::replace(&mut self.unread[stream as usize], true);
        if known || self.when_unread == WhenUnread::Detach {
            return Ok(());
        }
        if stream == Stream::Stdout {
            self.deadline = Some(Instant::now() + UNREAD_TIMEOUT);
        }
        Ok(self.stream.send(AttachInput::CloseOutput(stream))?)
    }

    fn pass_signal_on(&mut self) -> Result<()> {
        match self.signals.next()? {
            Some(Received::Resized) => self.send_size(),
            Some(Received::Proxied(number)) => Ok(self.stream.send(AttachInput::Signal(number))?),
            None => Ok(()),
        }
    }

    /// Sends another size, as docker does. A program with line editing then prints its prompt again, and the user of a
    /// shell sees one. The true size follows when the program has printed, or soon: if both came at once, the program
    /// would see no change.
    fn provoke_a_prompt(&mut self, (rows, columns): (u16, u16)) -> Result<()> {
        self.true_size_at = Some(Instant::now() + REDRAW_TIMEOUT);
        let other = (rows.saturating_add(1), columns.saturating_add(1));
        Ok(self.stream.send(AttachInput::Resize(other))?)
    }

    fn send_size(&mut self) -> Result<()> {
        window_size().map_or(Ok(()), |size| Ok(self.stream.send(AttachInput::Resize(size))?))
    }

    /// Reads stdin once and forwards it. Returns true when the user has typed the detach keys.
    fn forward_stdin(&mut self) -> Result<bool> {
        let mut data = vec![0; AttachStream::MAX_INPUT];
        let length = match rustix::io::read(rustix::stdio::stdin(), &mut data[..]) {
            Ok(length) => length,
            Err(Errno::INTR | Errno::AGAIN) => return Ok(false),
            // EIO: the terminal has been closed, which is the end of input.
            Err(_) => 0,
        };
        data.truncate(length);
        if length == 0 {
            self.stdin_open = false;
            self.stream.send(AttachInput::CloseInput)?;
            return Ok(false);
        }
        let (data, detach) = match self.keys.as_mut().map(|keys| keys.feed(&data)) {
            None => (data, false),
            Some(Typed::Forward(data)) => (data, false),
            Some(Typed::Detach(data)) => (data, true),
        };
        if !data.is_empty() {
            self.stream.send(AttachInput::Data(data))?;
        }
        Ok(detach)
    }
}
