//! Queries over TCP: each message is preceded by its length (RFC 1035, 4.2.2).

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::directory::Directory;
use super::message::{self, Question};

/// How long a client or a server may be silent.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The number of bytes that a client may leave unread. Beyond it no query is answered, because a client could otherwise
/// fill the monitor's memory.
const MAX_UNREAD: usize = 64 * 1024;

/// The longest message, with its length before it.
const MAX_MESSAGE: usize = 2 + u16::MAX as usize;

/// A client's connection, over which it may send several queries.
#[derive(Debug)]
pub(super) struct Stream {
    client: Pipe,
    /// The query that has been forwarded, if any.
    upstream: Option<Upstream>,
    deadline: Instant,
}

/// A query that has been forwarded to a server.
#[derive(Debug)]
struct Upstream {
    pipe: Pipe,
    question: Question,
    bytes: Vec<u8>,
    /// How many servers have been queried.
    tries: usize,
}

/// A connection with its received and its unsent bytes.
#[derive(Debug)]
struct Pipe {
    stream: TcpStream,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    /// The peer sends nothing more.
    is_finished: bool,
}

impl Stream {
    pub(super) fn new(client: TcpStream) -> Option<Self> {
        client.set_nonblocking(true).ok()?;
        Some(Self { client: Pipe::new(client), upstream: None, deadline: Instant::now() + TIMEOUT })
    }

    /// The number of bytes that the client has not read.
    #[cfg(test)]
    pub(super) fn unread(&self) -> usize {
        self.client.outgoing.len()
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(super) fn descriptors(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        let server = self.upstream.as_ref().map(|upstream| upstream.pipe.descriptor());
        // poll(2) reports POLLHUP even for a descriptor that is polled for no event, and would do so again and again.
        std::iter::once(self.client.descriptor()).chain(server).filter(|(_, flags)| !flags.is_empty())
    }

    /// Does what can be done without blocking. False when the connection is to be closed.
    pub(super) fn serve(&mut self, directory: &mut Directory, servers: &[SocketAddr]) -> bool {
        if Instant::now() >= self.deadline {
            return false;
        }
        self.step(directory, servers).is_ok()
    }

    fn step(&mut self, directory: &mut Directory, servers: &[SocketAddr]) -> io::Result<()> {
        self.serve_upstream(servers);
        self.client.receive()?;
        loop {
            while self.upstream.is_none()
                && self.client.outgoing.len() < MAX_UNREAD
                && let Some(bytes) = self.client.take_message()
            {
                self.deadline = Instant::now() + TIMEOUT;
                self.handle(&bytes, directory, servers)?;
            }
            let waiting = self.client.outgoing.len();
            self.client.send()?;
            // While the client reads, there may be room for the next answer.
            if self.upstream.is_some() || self.client.outgoing.len() == waiting {
                break;
            }
        }
        // A client that has closed its sending side still waits for its answer.
        match self.client.is_finished && self.upstream.is_none() && self.client.outgoing.is_empty() {
            true => Err(ErrorKind::UnexpectedEof.into()),
            false => Ok(()),
        }
    }

    fn handle(&mut self, bytes: &[u8], directory: &mut Directory, servers: &[SocketAddr]) -> io::Result<()> {
        let question = match message::read(bytes) {
            Ok(question) => question,
            Err(Some(answer)) => {
                self.client.queue(&answer);
                return Ok(());
            }
            Err(None) => return Err(ErrorKind::InvalidData.into()),
        };
        if let Some((code, records)) = directory.answer(&question) {
            self.client.queue(&question.answer(code, &records, usize::from(u16::MAX)));
            return Ok(());
        }
        self.forward(question, bytes.to_vec(), 0, servers);
        Ok(())
    }

    /// Forwards the query to the first server that accepts a connection, of those that have not been queried.
    fn forward(&mut self, question: Question, bytes: Vec<u8>, mut tries: usize, servers: &[SocketAddr]) {
        while let Some(server) = servers.get(tries) {
            tries += 1;
            if let Ok(stream) = connect(*server) {
                let mut pipe = Pipe::new(stream);
                pipe.queue(&bytes);
                self.upstream = Some(Upstream { pipe, question, bytes, tries });
                return;
            }
        }
        self.client.queue(&question.failure());
    }

    fn serve_upstream(&mut self, servers: &[SocketAddr]) {
        let Some(mut upstream) = self.upstream.take() else { return };
        let served = upstream.pipe.send().and_then(|()| upstream.pipe.receive());
        let is_over = served.is_err() || upstream.pipe.is_finished;
        match (upstream.pipe.take_message(), is_over) {
            (Some(answer), _) => {
                let id = answer.get(..2).map_or(0, |id| u16::from_be_bytes([id[0], id[1]]));
                let question = upstream.question;
                self.client.queue(&match question.is_answered_by(&answer, id) {
                    true => question.forward(answer, usize::from(u16::MAX)),
                    false => question.failure(),
                });
            }
            (None, true) => self.forward(upstream.question, upstream.bytes, upstream.tries, servers),
            (None, false) => self.upstream = Some(upstream),
        }
    }
}

impl Pipe {
    fn new(stream: TcpStream) -> Self {
        Self { stream, incoming: Vec::new(), outgoing: Vec::new(), is_finished: false }
    }

    fn descriptor(&self) -> (BorrowedFd<'_>, PollFlags) {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, self.wants_more());
        flags.set(PollFlags::OUT, !self.outgoing.is_empty());
        (self.stream.as_fd(), flags)
    }

    /// Whether to read from the socket: no more than one message is buffered.
    fn wants_more(&self) -> bool {
        !self.is_finished && self.incoming.len() < MAX_MESSAGE && self.outgoing.len() < MAX_UNREAD
    }

    fn queue(&mut self, message: &[u8]) {
        self.outgoing.extend_from_slice(&(message.len() as u16).to_be_bytes());
        self.outgoing.extend_from_slice(message);
    }

    /// Takes a message out of the received bytes, if a whole one is there.
    fn take_message(&mut self) -> Option<Vec<u8>> {
        let length = 2 + usize::from(u16::from_be_bytes([*self.incoming.first()?, *self.incoming.get(1)?]));
        let message = self.incoming.get(2..length)?.to_vec();
        self.incoming.drain(..length);
        Some(message)
    }

    /// Reads once.
    fn receive(&mut self) -> io::Result<()> {
        if !self.wants_more() {
            return Ok(());
        }
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(length) => {
                self.is_finished = length == 0;
                self.incoming.extend_from_slice(&buffer[..length]);
                Ok(())
            }
            Err(error) => ignore_not_ready(error),
        }
    }

    fn send(&mut self) -> io::Result<()> {
        if self.outgoing.is_empty() {
            return Ok(());
        }
        match self.stream.write(&self.outgoing) {
            Ok(length) => {
                self.outgoing.drain(..length);
                Ok(())
            }
            Err(error) => ignore_not_ready(error),
        }
    }
}

fn ignore_not_ready(error: io::Error) -> io::Result<()> {
    match error.kind() {
        // NotConnected: the connection is not established yet.
        ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::NotConnected => Ok(()),
        _ => Err(error),
    }
}

/// Starts a connection without waiting until it is established.
fn connect(server: SocketAddr) -> io::Result<TcpStream> {
    let family = if server.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket: OwnedFd = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    match rustix::net::connect(&socket, &server) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => Ok(socket.into()),
        Err(errno) => Err(errno.into()),
    }
}
