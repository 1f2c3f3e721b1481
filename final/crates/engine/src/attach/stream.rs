//! The caller's end of an attachment: messages to a container's process, and messages from it.
//!
//! Nothing here blocks, and nothing here knows where the bytes come from or go to. The command line connects an
//! attachment to its terminal or its pipes; another caller may connect it to a socket.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use rustix::io::Errno;

use super::registration::Registration;
use super::{Connection, Message};
use crate::error::{Error, IoContext, Report, Result};
use crate::records::options::WindowSize;
use crate::records::stream::Stream;

/// Messages of a caller to the process that it is attached to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttachInput {
    /// Bytes for stdin, at most [`AttachStream::MAX_INPUT`].
    Data(Vec<u8>),
    /// stdin ends.
    CloseInput,
    /// The new size of the caller's terminal.
    Resize(WindowSize),
    /// The number of a signal.
    Signal(u8),
    /// The user leaves by the detach keys, and the process continues.
    Detach,
    /// No process reads this stream of an `exec` any more, so that the program gets SIGPIPE when it writes there.
    CloseOutput(Stream),
}

impl AttachInput {
    fn message(&self) -> Message<'_> {
        match self {
            Self::Data(data) => Message::Stdin(data),
            Self::CloseInput => Message::StdinEnd,
            Self::Resize((rows, columns)) => Message::Resize { rows: *rows, columns: *columns },
            Self::Signal(number) => Message::Signal(*number),
            Self::Detach => Message::Left,
            Self::CloseOutput(stream) => Message::OutputClosed { stderr: *stream == Stream::Stderr },
        }
    }

    fn is_stdin(&self) -> bool {
        matches!(self, Self::Data(_) | Self::CloseInput)
    }
}

/// Messages that a caller receives.
#[derive(Debug)]
pub enum AttachEvent<'a> {
    Output {
        stream: Stream,
        bytes: &'a [u8],
    },
    /// The container has ended, and its cleanup was not complete. Its exit code follows.
    Uncleaned(Error),
    /// The process has ended with this exit code, and all of its output has been received.
    Exited(u8),
}

/// An attachment to a container, or to a process that `exec` has started. Its descriptor is readable when
/// [`Self::receive`] has an event, and writable when [`Self::flush`] can send more.
#[derive(Debug)]
pub struct AttachStream {
    peer: Peer,
    /// A second connection for signals and sizes, which must not wait behind stdin that the container does not read.
    control: Option<Connection>,
    /// The socket on which the monitor listens. The session of an `exec` has none, and a single connection.
    run_dir: Option<PathBuf>,
    /// Whether stdin ends with this attachment.
    owns_stdin: bool,
    /// Whether stdin may fill the connection.
    has_sent_stdin: bool,
    /// Bytes that the peer has not accepted yet.
    pending: VecDeque<AttachInput>,
}

#[derive(Debug)]
enum Peer {
    Connected(Connection),
    /// The container has not started.
    Awaited(Registration),
}

impl AsFd for AttachStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.peer {
            Peer::Connected(connection) => connection.as_fd(),
            Peer::Awaited(registration) => registration.as_fd(),
        }
    }
}

impl AttachStream {
    /// The most bytes of stdin in one message.
    pub const MAX_INPUT: usize = super::MAX_PAYLOAD / 2;

    pub(crate) fn new(connection: Connection) -> Self {
        Self::of(Peer::Connected(connection))
    }

    /// An attachment to the next run of a container. What is sent before it starts is queued.
    pub(crate) fn awaiting(registration: Registration) -> Self {
        Self::of(Peer::Awaited(registration))
    }

    fn of(peer: Peer) -> Self {
        let pending = VecDeque::new();
        Self { peer, control: None, run_dir: None, owns_stdin: false, has_sent_stdin: false, pending }
    }

    /// The monitor can also be reached through its socket in `run_dir`.
    pub(crate) fn listening_in(self, run_dir: PathBuf) -> Self {
        Self { run_dir: Some(run_dir), ..self }
    }

    /// The container's stdin ends with this attachment, if it is one whose stdin ends with its client (`StdinOnce`).
    pub(crate) fn owning_stdin(mut self) -> Result<Self> {
        self.owns_stdin = true;
        self.announce()?;
        Ok(self)
    }

    fn announce(&self) -> Result<()> {
        match &self.peer {
            Peer::Connected(connection) if self.owns_stdin => {
                connection.send(&Message::OwnsStdin).context(|| "attach to the container".into())
            }
            _ => Ok(()),
        }
    }

    /// The container of an awaited run may have started.
    fn look_for_start(&mut self) -> Result<()> {
        let Peer::Awaited(registration) = &self.peer else { return Ok(()) };
        let Some(connection) = registration.connection()? else { return Ok(()) };
        self.peer = Peer::Connected(connection);
        self.announce()?;
        self.flush()
    }

    /// The next event, or `None` if none has come. Fails if the peer has reported an error, and if it has died.
    pub fn receive<'b>(&mut self, buffer: &'b mut Vec<u8>) -> Result<Option<AttachEvent<'b>>> {
        self.look_for_start()?;
        let Peer::Connected(connection) = &self.peer else { return Ok(None) };
        let message = match connection.try_receive(buffer) {
            Err(Errno::AGAIN) => return Ok(None),
            received => received.context(|| "read the container's output".into())?,
        };
        match message {
            Some(Message::Stdout(bytes)) => Ok(Some(AttachEvent::Output { stream: Stream::Stdout, bytes })),
            Some(Message::Stderr(bytes)) => Ok(Some(AttachEvent::Output { stream: Stream::Stderr, bytes })),
            Some(Message::Exited(code)) => Ok(Some(AttachEvent::Exited(code))),
            Some(Message::Uncleaned(report)) => {
                Ok(Some(AttachEvent::Uncleaned(Report::decode(report).into())))
            }
            Some(Message::Failed(report)) => Err(Report::decode(report).into()),
            Some(_) => Ok(None),
            None => Err(Error::MonitorDied),
        }
    }

    /// Sends, or queues what the peer does not take at once. The caller should read no more input while something
    /// [`Self::is_pending`], but keep receiving: a container that waits for a reader of its output does not read stdin.
    pub fn send(&mut self, input: AttachInput) -> Result<()> {
        self.has_sent_stdin |= input.is_stdin();
        let is_control =
            matches!(input, AttachInput::Resize(_) | AttachInput::Signal(_) | AttachInput::Detach);
        if is_control && self.has_sent_stdin && self.send_over_control(&input) {
            return Ok(());
        }
        self.pending.push_back(input);
        self.flush()
    }

    /// Whether something is queued. Then the caller polls for writing too, and calls [`Self::flush`].
    pub fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Sends what is queued, as far as the peer takes it.
    pub fn flush(&mut self) -> Result<()> {
        let Peer::Connected(connection) = &self.peer else { return Ok(()) };
        while let Some(input) = self.pending.front() {
            match connection.try_send(&input.message()) {
                Err(Errno::AGAIN) => return Ok(()),
                // A peer that has closed its end may have sent its last output and the exit code before.
                Ok(()) | Err(Errno::PIPE | Errno::CONNRESET) => drop(self.pending.pop_front()),
                Err(errno) => return Err(errno).context(|| "send to the container".into()),
            }
        }
        Ok(())
    }

    /// Returns false if the monitor cannot be reached over a second connection.
    fn send_over_control(&mut self, input: &AttachInput) -> bool {
        if self.control.is_none() {
            self.control = self.run_dir.as_deref().and_then(|run_dir| Connection::connect(run_dir).ok());
        }
        self.control.as_ref().is_some_and(|control| control.try_send(&input.message()).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_blocks_and_what_the_peer_does_not_take_is_queued_in_order() {
        let (ours, theirs) = Connection::pair().unwrap();
        let mut stream = AttachStream::new(ours);
        let mut buffer = Vec::new();
        assert!(stream.receive(&mut buffer).unwrap().is_none());
        let mut sent = 0_u32;
        while !stream.is_pending() {
            stream.send(AttachInput::Data(sent.to_be_bytes().repeat(4096))).unwrap();
            sent += 1;
        }
        stream.send(AttachInput::Signal(15)).unwrap();
        stream.send(AttachInput::CloseInput).unwrap();
        for number in 0..sent {
            let message = theirs.receive(&mut buffer).unwrap();
            assert_eq!(message, Some(Message::Stdin(&number.to_be_bytes().repeat(4096))));
            stream.flush().unwrap();
        }
        assert!(!stream.is_pending());
        assert_eq!(theirs.receive(&mut buffer).unwrap(), Some(Message::Signal(15)));
        assert_eq!(theirs.receive(&mut buffer).unwrap(), Some(Message::StdinEnd));
    }

    #[test]
    fn output_comes_before_the_exit_code_and_a_peer_that_died_is_an_error() {
        let (ours, theirs) = Connection::pair().unwrap();
        let mut stream = AttachStream::new(ours);
        let mut buffer = Vec::new();
        theirs.send(&Message::Stderr(b"last")).unwrap();
        theirs.send(&Message::Exited(3)).unwrap();
        drop(theirs);
        stream.send(AttachInput::Data(b"too late".to_vec())).unwrap();
        let output = stream.receive(&mut buffer).unwrap();
        assert!(matches!(output, Some(AttachEvent::Output { stream: Stream::Stderr, bytes: b"last" })));
        assert!(matches!(stream.receive(&mut buffer).unwrap(), Some(AttachEvent::Exited(3))));
        assert!(matches!(stream.receive(&mut buffer), Err(Error::MonitorDied)));
    }
}
