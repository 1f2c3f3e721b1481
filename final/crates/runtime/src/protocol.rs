//! The messages between the parent and the container's first process, over a pair of `SOCK_SEQPACKET` sockets.
//!
//! ```text
//! parent                             child
//!   make the cgroups
//!   clone3
//!   map ids, move network devices
//!   Go ──────────────────────────────▶ (only with a new user namespace or network devices)
//!                                      enter the cgroups, mount
//!   bind a source ◀─────────────────── BindRequest (only for a source in the container's root, rootfs/sources.rs)
//!   BoundSource ─────────────────────▶ mask paths, make devices
//!   run hooks ◀─────────────────────── Mounted (only with prestart or createRuntime hooks)
//!   Go ──────────────────────────────▶ pivot_root
//!          ◀────────────────────────── Console, with the terminal's master
//!          ◀────────────────────────── Ready
//!   Go ──────────────────────────────▶ execve
//!          ◀────────────────────────── end of file: the socket is close-on-exec, so the program runs
//! ```
//! If the container joins a pid namespace, the first process cloned works outside of it. It sends `BeforeClone`, waits for
//! `Go`, clones the container's first process inside, sends `Cloned` with its pid and ends ([`crate::pid_namespace`]).
//!
//! At any point the child may send `Failed` with an error instead, and exit. After `Ready` the other side may be another
//! process ([`crate::rendezvous`]).

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use hull_sys::Kind;
use nix::errno::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};

use crate::error::{Cloned, Error, Result, Step};

/// The longest packet.
const LONGEST: usize = 4096;

#[derive(Debug)]
pub(crate) enum Message {
    /// The other side may continue.
    Go,
    /// Everything is mounted, and the host's files can still be reached.
    Mounted,
    /// The container waits to be started.
    Ready,
    /// The master of the container's terminal.
    Console(OwnedFd),
    /// The file that a helper process has opened.
    Opened(OwnedFd),
    /// All work outside the joined pid namespace is done, and the process inside is cloned next.
    BeforeClone,
    /// The pid of the process that was cloned inside.
    Cloned(i32),
    /// Asks the parent to bind the source of the mount with this index, because the child cannot.
    BindRequest(u32),
    /// The parent's answer: the source as a detached mount.
    BoundSource(OwnedFd),
    Failed(Error),
}

#[derive(Debug)]
pub(crate) struct Channel(OwnedFd);

impl From<OwnedFd> for Channel {
    fn from(socket: OwnedFd) -> Self {
        Self(socket)
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Channel {
    pub(crate) fn pair() -> Result<(Self, Self)> {
        let flags = SocketFlags::CLOEXEC;
        let (a, b) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
            .step(|| "create a socket pair".into())?;
        Ok((Self(a), Self(b)))
    }

    pub(crate) fn duplicate(&self) -> Result<Self> {
        self.0.try_clone().map(Self).step(|| "duplicate a socket".into())
    }

    pub(crate) fn send(&self, message: &Message) -> Result<()> {
        let (packet, fd) = encode(message);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let fds = fd.map(|fd| [fd.as_fd()]);
        if let Some(fds) = &fds {
            ancillary.push(SendAncillaryMessage::ScmRights(fds));
        }
        let slices = [IoSlice::new(&packet)];
        rustix::net::sendmsg(&self.0, &slices, &mut ancillary, SendFlags::NOSIGNAL)
            .map(drop)
            .step(|| "talk to the other side of the start".into())
    }

    /// Receives a message, or `None` at the end of file: the other side has ended, or has become the user's program.
    pub(crate) fn receive(&self) -> Result<Option<Message>> {
        let mut packet = [0; LONGEST];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut slices = [IoSliceMut::new(&mut packet)];
        let received = rustix::io::retry_on_intr(|| {
            rustix::net::recvmsg(&self.0, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC)
        });
        let length = match received {
            Err(rustix::io::Errno::CONNRESET) => 0,
            other => other.step(|| "listen to the other side of the start".into())?.bytes,
        };
        let mut fds = ancillary.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => Some(fds),
            _ => None,
        });
        let fd = fds.next().and_then(|mut fds| fds.next());
        if length == 0 {
            return Ok(None);
        }
        decode(&packet[..length], fd).map(Some)
    }

    /// Called in the child: waits for `Go`.
    pub(crate) fn await_go(&self) -> Result<()> {
        match self.receive()? {
            Some(Message::Go) => Ok(()),
            // The parent has ended, and nobody wants the container.
            _ => Err(Error::InitDied),
        }
    }

    /// Waits until the other side has become the user's program, and returns the error of an execve(2) that fails.
    pub(crate) fn await_execution(&self) -> Result<()> {
        match self.receive()? {
            None => Ok(()),
            Some(Message::Failed(error)) => Err(error),
            Some(_) => Err(Error::InitDied),
        }
    }

    /// Receives a message that must come. The other side's failure becomes this side's error.
    pub(crate) fn expect(&self) -> Result<Message> {
        match self.receive()? {
            Some(Message::Failed(error)) => Err(error),
            Some(message) => Ok(message),
            None => Err(Error::InitDied),
        }
    }
}

/// A packet is a letter for the message, then its fields. A [`Failed`](Message::Failed) has the letter of the error's
/// variant, a number (the errno, where there is one) and a text.
fn encode(message: &Message) -> (Vec<u8>, Option<&OwnedFd>) {
    match message {
        Message::Go => (b"g".to_vec(), None),
        Message::Mounted => (b"m".to_vec(), None),
        Message::Ready => (b"r".to_vec(), None),
        Message::Console(fd) => (b"c".to_vec(), Some(fd)),
        Message::Opened(fd) => (b"o".to_vec(), Some(fd)),
        Message::BeforeClone => (b"b".to_vec(), None),
        Message::Cloned(pid) => ([b"p", &pid.to_le_bytes()[..]].concat(), None),
        Message::BindRequest(index) => ([b"s", &index.to_le_bytes()[..]].concat(), None),
        Message::BoundSource(fd) => (b"a".to_vec(), Some(fd)),
        Message::Failed(error) => (encode_error(error), None),
    }
}

fn encode_error(error: &Error) -> Vec<u8> {
    let (letter, number, text) = match error {
        Error::Clone { process, errno } => {
            let index = Cloned::ALL.iter().position(|one| one == process).unwrap_or_default();
            return packet(b'C', *errno as i32, &index.to_string());
        }
        Error::Step { step, errno } => (b'S', *errno as i32, step.as_str()),
        Error::ResourceLimit { limit, errno } => (b'R', *errno as i32, limit.as_str()),
        Error::ProgramNotFound { program, in_path } => (b'N', i32::from(*in_path), program.as_str()),
        Error::NoInterpreter { program } => (b'L', 0, program.as_str()),
        Error::ProgramNotExecutable { program, errno } => (b'X', *errno as i32, program.as_str()),
        Error::Invalid(text) => (b'I', 0, text.as_str()),
        Error::Hook(text) => (b'H', 0, text.as_str()),
        other => {
            let kind = Kind::ALL.iter().position(|kind| *kind == other.kind()).unwrap_or(usize::MAX);
            return packet(b'F', kind as i32, &other.to_string());
        }
    };
    packet(letter, number, text)
}

fn packet(letter: u8, number: i32, text: &str) -> Vec<u8> {
    let text = &text.as_bytes()[..text.len().min(LONGEST - 5)];
    [&[letter], &number.to_le_bytes()[..], text].concat()
}

fn decode(packet: &[u8], fd: Option<OwnedFd>) -> Result<Message> {
    let number = || packet[1..].try_into().ok().map(i32::from_le_bytes);
    let message = match (packet[0], fd) {
        (b'g', _) => Some(Message::Go),
        (b'm', _) => Some(Message::Mounted),
        (b'r', _) => Some(Message::Ready),
        (b'c', Some(fd)) => Some(Message::Console(fd)),
        (b'o', Some(fd)) => Some(Message::Opened(fd)),
        (b'b', _) => Some(Message::BeforeClone),
        (b'p', _) => number().map(Message::Cloned),
        (b's', _) => number().map(|index| Message::BindRequest(index as u32)),
        (b'a', Some(fd)) => Some(Message::BoundSource(fd)),
        _ => decode_error(packet).map(Message::Failed),
    };
    message.ok_or(Error::InitDied)
}

fn decode_error(packet: &[u8]) -> Option<Error> {
    let (number, text) = packet[1..].split_first_chunk::<4>()?;
    let number = i32::from_le_bytes(*number);
    let errno = Errno::from_raw(number);
    // A process that may trace the child can make it send any bytes, and the text is printed on a terminal.
    let text = String::from_utf8_lossy(text).replace(|c: char| c.is_control() && c != '\n', "?");
    Some(match packet[0] {
        b'S' => Error::Step { step: text, errno },
        b'C' => Error::Clone { process: *Cloned::ALL.get(text.parse::<usize>().ok()?)?, errno },
        b'R' => Error::ResourceLimit { limit: text, errno },
        b'N' => Error::ProgramNotFound { program: text, in_path: number == 1 },
        b'L' => Error::NoInterpreter { program: text },
        b'X' => Error::ProgramNotExecutable { program: text, errno },
        b'I' => Error::Invalid(text),
        b'H' => Error::Hook(text),
        b'F' => {
            let kind = usize::try_from(number).ok().and_then(|index| Kind::ALL.get(index).copied());
            Error::Failed { kind: kind.unwrap_or(Kind::Kernel), text }
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_crosses_with_its_step_and_its_errno() {
        let (child, parent) = Channel::pair().unwrap();
        let error = Error::Step { step: "mount proc on /proc".into(), errno: Errno::EPERM };
        child.send(&Message::Failed(error)).unwrap();
        let received = parent.expect().unwrap_err();
        assert_eq!(received.to_string(), "cannot mount proc on /proc: Operation not permitted");
        drop(child);
        assert!(parent.receive().unwrap().is_none());
    }

    #[test]
    fn a_descriptor_crosses_with_its_message() {
        let (child, parent) = Channel::pair().unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        child.send(&Message::Console(file.into())).unwrap();
        assert!(matches!(parent.expect().unwrap(), Message::Console(_)));
    }

    #[test]
    fn every_error_crosses_with_its_kind_and_its_text() {
        let (child, parent) = Channel::pair().unwrap();
        let program = || "sh".to_owned();
        for error in [
            Error::Clone { process: Cloned::Inside, errno: Errno::EAGAIN },
            Error::ResourceLimit { limit: "RLIMIT_CORE to 1:1".into(), errno: Errno::EPERM },
            Error::ProgramNotFound { program: program(), in_path: true },
            Error::ProgramNotFound { program: program(), in_path: false },
            Error::NoInterpreter { program: program() },
            Error::ProgramNotExecutable { program: program(), errno: Errno::ENOEXEC },
            Error::Invalid("no root".into()),
            Error::failed(Kind::Unsupported, "this kernel cannot"),
            Error::InitOutOfMemory,
        ] {
            let expected = (error.kind(), error.to_string());
            child.send(&Message::Failed(error)).unwrap();
            let received = parent.expect().unwrap_err();
            assert_eq!((received.kind(), received.to_string()), expected);
        }
    }
}
