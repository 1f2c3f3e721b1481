//! Questions over tcp: each message has its length before it (RFC 1035, 4.2.2).

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::directory::Directory;
use super::message::{self, Question};
use super::resolver::failure;

/// An asker who is silent for so long, or a server, has gone.
const TIMEOUT: Duration = Duration::from_secs(10);

/// So many bytes of answers may wait to be read: who does not read them is not answered any more, or an asker could fill
/// the memory of whoever answers.
const UNREAD: usize = 64 * 1024;

/// What a message may have, with its length before it.
const LONGEST: usize = 2 + u16::MAX as usize;

/// One asker, who may ask several times.
#[derive(Debug)]
pub(super) struct Stream {
    client: Pipe,
    /// While somebody else is asked.
    asked: Option<Asked>,
    deadline: Instant,
}

/// A question that somebody else was asked.
#[derive(Debug)]
struct Asked {
    pipe: Pipe,
    question: Question,
    bytes: Vec<u8>,
    /// How many servers have been.
    tries: usize,
}

/// A connection with what has come and what is to go.
#[derive(Debug)]
struct Pipe {
    stream: TcpStream,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    /// The other side has sent all it wanted.
    has_ended: bool,
}

impl Stream {
    pub(super) fn new(client: TcpStream) -> Option<Self> {
        client.set_nonblocking(true).ok()?;
        Some(Self { client: Pipe::new(client), asked: None, deadline: Instant::now() + TIMEOUT })
    }

    /// Bytes of answers that wait to be read.
    #[cfg(test)]
    pub(super) fn unread(&self) -> usize {
        self.client.outgoing.len()
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(super) fn descriptors(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        let server = self.asked.as_ref().map(|asked| asked.pipe.descriptor());
        // One that is waited on for nothing could still say that it has been hung up, again and again (poll(2)).
        std::iter::once(self.client.descriptor()).chain(server).filter(|(_, flags)| !flags.is_empty())
    }

    /// False when it has ended.
    pub(super) fn go_on(&mut self, directory: &mut Directory, servers: &[SocketAddr]) -> bool {
        if Instant::now() >= self.deadline {
            return false;
        }
        self.step(directory, servers).is_ok()
    }

    fn step(&mut self, directory: &mut Directory, servers: &[SocketAddr]) -> io::Result<()> {
        self.hear_server(servers);
        self.client.receive()?;
        loop {
            while self.asked.is_none()
                && self.client.outgoing.len() < UNREAD
                && let Some(bytes) = self.client.message()
            {
                self.deadline = Instant::now() + TIMEOUT;
                self.question(&bytes, directory, servers)?;
            }
            let waiting = self.client.outgoing.len();
            self.client.send()?;
            // As long as the asker takes what there is, there may be room for the next answer.
            if self.asked.is_some() || self.client.outgoing.len() == waiting {
                break;
            }
        }
        // Who has sent all he wanted still wants his answer.
        match self.client.has_ended && self.asked.is_none() && self.client.outgoing.is_empty() {
            true => Err(ErrorKind::UnexpectedEof.into()),
            false => Ok(()),
        }
    }

    fn question(
        &mut self,
        bytes: &[u8],
        directory: &mut Directory,
        servers: &[SocketAddr],
    ) -> io::Result<()> {
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
        self.ask(question, bytes.to_vec(), 0, servers);
        Ok(())
    }

    /// Asks the first server that takes a connection, of those that have not been asked.
    fn ask(&mut self, question: Question, bytes: Vec<u8>, mut tries: usize, servers: &[SocketAddr]) {
        while let Some(server) = servers.get(tries) {
            tries += 1;
            if let Ok(stream) = connect(*server) {
                let mut pipe = Pipe::new(stream);
                pipe.queue(&bytes);
                self.asked = Some(Asked { pipe, question, bytes, tries });
                return;
            }
        }
        self.client.queue(&failure(&question));
    }

    fn hear_server(&mut self, servers: &[SocketAddr]) {
        let Some(mut asked) = self.asked.take() else { return };
        let heard = asked.pipe.send().and_then(|()| asked.pipe.receive());
        let is_over = heard.is_err() || asked.pipe.has_ended;
        match (asked.pipe.message(), is_over) {
            (Some(answer), _) => {
                let id = answer.get(..2).map_or(0, |id| u16::from_be_bytes([id[0], id[1]]));
                let question = asked.question;
                self.client.queue(&match question.is_answered_by(&answer, id) {
                    true => question.forward(answer, usize::from(u16::MAX)),
                    false => failure(&question),
                });
            }
            (None, true) => self.ask(asked.question, asked.bytes, asked.tries, servers),
            (None, false) => self.asked = Some(asked),
        }
    }
}

impl Pipe {
    fn new(stream: TcpStream) -> Self {
        Self { stream, incoming: Vec::new(), outgoing: Vec::new(), has_ended: false }
    }

    fn descriptor(&self) -> (BorrowedFd<'_>, PollFlags) {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, self.wants_more());
        flags.set(PollFlags::OUT, !self.outgoing.is_empty());
        (self.stream.as_fd(), flags)
    }

    /// No more than one message waits: who asks faster is left in his socket.
    fn wants_more(&self) -> bool {
        !self.has_ended && self.incoming.len() < LONGEST && self.outgoing.len() < UNREAD
    }

    fn queue(&mut self, message: &[u8]) {
        self.outgoing.extend_from_slice(&(message.len() as u16).to_be_bytes());
        self.outgoing.extend_from_slice(message);
    }

    /// A whole message, when it has come.
    fn message(&mut self) -> Option<Vec<u8>> {
        let length = 2 + usize::from(u16::from_be_bytes([*self.incoming.first()?, *self.incoming.get(1)?]));
        let message = self.incoming.get(2..length)?.to_vec();
        self.incoming.drain(..length);
        Some(message)
    }

    /// One read.
    fn receive(&mut self) -> io::Result<()> {
        if !self.wants_more() {
            return Ok(());
        }
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(length) => {
                self.has_ended = length == 0;
                self.incoming.extend_from_slice(&buffer[..length]);
                Ok(())
            }
            Err(error) => not_yet(error),
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
            Err(error) => not_yet(error),
        }
    }
}

fn not_yet(error: io::Error) -> io::Result<()> {
    match error.kind() {
        // The latter while a connection is being made.
        ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::NotConnected => Ok(()),
        _ => Err(error),
    }
}

/// Begins a connection without waiting for it.
fn connect(server: SocketAddr) -> io::Result<TcpStream> {
    let family = if server.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket: OwnedFd = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    match rustix::net::connect(&socket, &server) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => Ok(socket.into()),
        Err(errno) => Err(errno.into()),
    }
}
