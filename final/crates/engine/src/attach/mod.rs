//! The protocol between a command and a container's monitor: messages over a `SOCK_SEQPACKET` socket.
//!
//! ```text
//! mod           messages, connections, the socket on which a monitor listens
//! stream        a caller's end of an attachment
//! registration  connections that are asked for before the container runs
//! ```
//!
//! The kernel keeps the boundaries of messages, so the protocol needs no framing, and a non-blocking send sends a whole
//! message or nothing. The first byte names the message, and the rest is its payload.

pub(crate) mod registration;
mod stream;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use hull_sys::net::with_socket_address;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

pub use stream::{AttachEvent, AttachInput, AttachStream};

/// The largest payload of a message, in bytes. It is well below the default size of a socket's buffer (unix(7)).
pub const MAX_PAYLOAD: usize = 32 * 1024;

/// How long a connection may wait for a free slot in the queue of the monitor's socket.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(2);
const QUEUE_PAUSE: Duration = Duration::from_millis(2);

/// A message between a command and a monitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message<'a> {
    // From the command to the monitor.
    Stdin(&'a [u8]),
    StdinEnd,
    Resize {
        rows: u16,
        columns: u16,
    },
    /// A signal for the container's first process.
    Signal(u8),
    /// The user stops the container, so its restart policy does not apply. `keep`: it is not removed even with `--rm`,
    /// because it is going to be started again. `by_shutdown`: the machine goes down, and the user has not stopped it.
    Stopping {
        keep: bool,
        by_shutdown: bool,
    },
    /// The user is about to send a signal. If the program ends because of it, it is not restarted; if it survives the
    /// signal, its restart policy stays in force.
    Signalling,
    /// The container is on other networks than before. Answered by `Started` when its names are right.
    Networks,
    /// The container has other proxies than before. Answered by `Started`, or by `Failed`.
    Proxies,
    /// The user of this connection leaves by the detach keys.
    Left,
    /// Freeze the container for as long as this connection exists. Answered by `Started` once it is frozen.
    Freeze,
    /// Check the container's health. Answered by `Exited`: 0 for a success, 1 for a failure, other codes if there was no
    /// check.
    CheckHealth,
    /// Send the output from now on.
    Subscribe,
    /// The same. Answered by `LogEnd`, and then by the beginning of the line that the log does not have yet.
    SubscribeAfterLog,
    /// Answered by `Started` once what came before it on this connection is done.
    Sync,
    /// Answered by `Exited` when the current run, or between two runs the next one, has ended.
    Wait,
    /// stdin ends with this connection, if it is to end with its first client (docker's `StdinOnce`).
    OwnsStdin,
    /// No process reads this stream of an `exec` any more.
    OutputClosed {
        stderr: bool,
    },
    // From the monitor to the command.
    LogEnd(LogEnd),
    Stdout(&'a [u8]),
    Stderr(&'a [u8]),
    Started,
    Exited(u8),
    /// The container has ended, and this could not be cleaned up: an encoded [`crate::error::Report`].
    Uncleaned(&'a str),
    /// The start or the request failed, with an encoded [`crate::error::Report`].
    Failed(&'a str),
    /// A message of a newer version. It is ignored.
    Unknown,
}

impl<'a> Message<'a> {
    fn parts(&self) -> (u8, Vec<u8>) {
        match self {
            Self::Stdin(data) => (b'i', data.to_vec()),
            Self::StdinEnd => (b'e', vec![]),
            Self::Resize { rows, columns } => (b'w', [rows.to_be_bytes(), columns.to_be_bytes()].concat()),
            Self::Signal(number) => (b'k', vec![*number]),
            Self::Stopping { keep, by_shutdown } => (b'q', vec![u8::from(*keep), u8::from(*by_shutdown)]),
            Self::Signalling => (b'g', vec![]),
            Self::Networks => (b'n', vec![]),
            Self::Proxies => (b'p', vec![]),
            Self::Left => (b'l', vec![]),
            Self::Freeze => (b'z', vec![]),
            Self::CheckHealth => (b'h', vec![]),
            Self::Subscribe => (b's', vec![]),
            Self::SubscribeAfterLog => (b'a', vec![]),
            Self::LogEnd(LogEnd { inode, size }) => {
                (b'E', [inode.to_be_bytes(), size.to_be_bytes()].concat())
            }
            Self::Sync => (b'y', vec![]),
            Self::Wait => (b't', vec![]),
            Self::OwnsStdin => (b'f', vec![]),
            Self::OutputClosed { stderr } => (b'c', vec![u8::from(*stderr)]),
            Self::Stdout(data) => (b'o', data.to_vec()),
            Self::Stderr(data) => (b'r', data.to_vec()),
            Self::Started => (b'S', vec![]),
            Self::Exited(code) => (b'X', vec![*code]),
            Self::Uncleaned(report) => (b'L', report.as_bytes().to_vec()),
            Self::Failed(report) => (b'F', report.as_bytes().to_vec()),
            Self::Unknown => (b'?', vec![]),
        }
    }

    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (kind, payload) = bytes.split_first()?;
        Some(match kind {
            b'i' => Self::Stdin(payload),
            b'e' => Self::StdinEnd,
            b'w' => match *payload {
                [a, b, c, d] => {
                    Self::Resize { rows: u16::from_be_bytes([a, b]), columns: u16::from_be_bytes([c, d]) }
                }
                _ => return None,
            },
            b'k' => Self::Signal(*payload.first()?),
            b'q' => Self::Stopping {
                keep: *payload.first()? != 0,
                by_shutdown: payload.get(1).is_some_and(|byte| *byte != 0),
            },
            b'g' => Self::Signalling,
            b'n' => Self::Networks,
            b'p' => Self::Proxies,
            b'l' => Self::Left,
            b'z' => Self::Freeze,
            b'h' => Self::CheckHealth,
            b's' => Self::Subscribe,
            b'a' => Self::SubscribeAfterLog,
            b'E' => {
                let (inode, size) = payload.split_first_chunk()?;
                let (inode, size) = (u64::from_be_bytes(*inode), u64::from_be_bytes(*size.first_chunk()?));
                Self::LogEnd(LogEnd { inode, size })
            }
            b'y' => Self::Sync,
            b't' => Self::Wait,
            b'f' => Self::OwnsStdin,
            b'c' => Self::OutputClosed { stderr: *payload.first()? != 0 },
            b'o' => Self::Stdout(payload),
            b'r' => Self::Stderr(payload),
            b'S' => Self::Started,
            b'X' => Self::Exited(*payload.first()?),
            b'L' => Self::Uncleaned(std::str::from_utf8(payload).ok()?),
            b'F' => Self::Failed(std::str::from_utf8(payload).ok()?),
            _ => return None,
        })
    }
}

/// A position in a container's log: the newest file and its size. An inode of 0 stands for a log without files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogEnd {
    pub(crate) inode: u64,
    pub(crate) size: u64,
}

/// Whether the caller wants the container's output from its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAttach {
    Detached,
    Attached,
}

/// One end of an attach connection.
#[derive(Debug)]
pub struct Connection(OwnedFd);

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for Connection {
    fn from(socket: OwnedFd) -> Self {
        Self(socket)
    }
}

impl Connection {
    pub fn pair() -> Result<(Self, Self), Errno> {
        let (a, b) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self(a), Self(b)))
    }

    /// Connects to the monitor that listens in `run_dir`. `Errno::AGAIN` when its queue stays full for `QUEUE_TIMEOUT`.
    pub fn connect(run_dir: &Path) -> Result<Self, Errno> {
        Self::connect_to(&run_dir.join(SOCKET_NAME), QUEUE_TIMEOUT)
    }

    /// Connects to the process that listens on `path`. `Errno::AGAIN` when its queue stays full for `timeout`.
    pub(crate) fn connect_to(path: &Path, timeout: Duration) -> Result<Self, Errno> {
        let socket = seqpacket()?;
        // connect(2) would wait without limit for a process that is stopped and whose queue is full.
        rustix::io::ioctl_fionbio(&socket, true)?;
        let started = Instant::now();
        loop {
            match with_socket_address(path, |address| rustix::net::connect(&socket, address)) {
                Err(Errno::AGAIN) if started.elapsed() < timeout => std::thread::sleep(QUEUE_PAUSE),
                connected => break connected?,
            }
        }
        rustix::io::ioctl_fionbio(&socket, false)?;
        Ok(Self(socket))
    }

    pub fn accept(listener: &Listener) -> Result<Self, Errno> {
        rustix::net::accept_with(&listener.0, SocketFlags::CLOEXEC).map(Self)
    }

    pub fn send(&self, message: &Message<'_>) -> Result<(), Errno> {
        self.send_with(message, SendFlags::NOSIGNAL)
    }

    /// Sends without waiting. `Errno::AGAIN` when the peer does not read fast enough: then nothing was sent.
    pub fn try_send(&self, message: &Message<'_>) -> Result<(), Errno> {
        self.send_with(message, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)
    }

    fn send_with(&self, message: &Message<'_>, flags: SendFlags) -> Result<(), Errno> {
        let (kind, payload) = message.parts();
        let packet = [&[kind][..], &payload].concat();
        rustix::io::retry_on_intr(|| rustix::net::send(&self.0, &packet, flags)).map(drop)
    }

    /// The next message, or `None` when the peer has closed its end. Waits until one comes.
    pub fn receive<'b>(&self, buffer: &'b mut Vec<u8>) -> Result<Option<Message<'b>>, Errno> {
        self.receive_with(buffer, RecvFlags::empty())
    }

    /// The same without waiting: `Errno::AGAIN` when no message has come.
    pub fn try_receive<'b>(&self, buffer: &'b mut Vec<u8>) -> Result<Option<Message<'b>>, Errno> {
        self.receive_with(buffer, RecvFlags::DONTWAIT)
    }

    fn receive_with<'b>(
        &self,
        buffer: &'b mut Vec<u8>,
        flags: RecvFlags,
    ) -> Result<Option<Message<'b>>, Errno> {
        buffer.clear();
        // Not zeroed: most messages are short, and each page that is written to costs a fault.
        buffer.reserve(MAX_PAYLOAD + 8);
        loop {
            match rustix::net::recv(&self.0, rustix::buffer::spare_capacity(buffer), flags) {
                // The peer closed its end without reading all that was sent to it. The kernel reports that once, and
                // then delivers what the peer had sent before.
                Err(Errno::INTR | Errno::CONNRESET) => {}
                Ok((0, _)) => return Ok(None),
                Ok(_) => break,
                Err(errno) => return Err(errno),
            }
        }
        Ok(Some(Message::parse(buffer).unwrap_or(Message::Unknown)))
    }
}

/// The socket on which a monitor listens, or another process that is to be reached.
#[derive(Debug)]
pub struct Listener(OwnedFd);

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Listener {
    /// Listens on `attach.sock` in `run_dir`, replacing what a dead monitor left there.
    pub fn bind(run_dir: &Path) -> Result<Self, Errno> {
        let path = run_dir.join(SOCKET_NAME);
        match rustix::fs::unlink(&path) {
            Err(Errno::NOENT) | Ok(()) => {}
            Err(errno) => return Err(errno),
        }
        Self::bind_to(&path)
    }

    /// Listens on a path at which there is nothing.
    pub(crate) fn bind_to(path: &Path) -> Result<Self, Errno> {
        let socket = seqpacket()?;
        with_socket_address(path, |address| rustix::net::bind(&socket, address))?;
        rustix::net::listen(&socket, 16)?;
        Ok(Self(socket))
    }
}

pub(crate) const SOCKET_NAME: &str = "attach.sock";

fn seqpacket() -> Result<OwnedFd, Errno> {
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_survives_the_socket() {
        let (a, b) = Connection::pair().unwrap();
        let mut buffer = Vec::new();
        for message in [
            Message::Stdin(b"x"),
            Message::StdinEnd,
            Message::Resize { rows: 24, columns: 300 },
            Message::Signal(15),
            Message::Stopping { keep: true, by_shutdown: true },
            Message::Signalling,
            Message::Networks,
            Message::Proxies,
            Message::Left,
            Message::Freeze,
            Message::Subscribe,
            Message::SubscribeAfterLog,
            Message::LogEnd(LogEnd { inode: 7, size: u64::MAX }),
            Message::Sync,
            Message::Wait,
            Message::OwnsStdin,
            Message::OutputClosed { stderr: true },
            Message::Unknown,
            Message::Stdout(&[0; MAX_PAYLOAD]),
            Message::Stderr(b""),
            Message::Started,
            Message::Exited(137),
            Message::Failed("no such file"),
        ] {
            a.send(&message).unwrap();
            assert_eq!(b.receive(&mut buffer).unwrap(), Some(message));
        }
        drop(a);
        assert_eq!(b.receive(&mut buffer).unwrap(), None);
    }

    #[test]
    fn a_socket_is_reached_in_a_directory_deeper_than_sun_path() {
        let base = std::env::temp_dir().join(format!("hull-attach-{}", std::process::id()));
        let deep = base.join("d".repeat(120));
        std::fs::create_dir_all(&deep).unwrap();
        let listener = Listener::bind(&deep).unwrap();
        let client = Connection::connect(&deep).unwrap();
        let server = Connection::accept(&listener).unwrap();
        client.send(&Message::Stopping { keep: false, by_shutdown: false }).unwrap();
        assert_eq!(
            server.receive(&mut Vec::new()).unwrap(),
            Some(Message::Stopping { keep: false, by_shutdown: false })
        );
        std::fs::remove_dir_all(base).unwrap();
    }
}
