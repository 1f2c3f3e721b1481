//! What the parent and the container's first process say to each other, over a `SOCK_SEQPACKET` pair.
//!
//! ```text
//! parent                          child
//!   make the cgroups
//!   clone3
//!   map its ids, give it devices
//!   Go ───────────────────────────▶ (only where there is something of the kind to wait for)
//!                                   enter the cgroups, mount
//!   bind a source ◀────────────── Bind (only for those that lie in the container's root, rootfs/sources.rs)
//!   Bound ────────────────────────▶ mask, devices
//!   run hooks ◀─────────────────── Built (only where there are hooks)
//!   Go ───────────────────────────▶ pivot
//!          ◀─────────────────────── Console, with the terminal's descriptor
//!          ◀─────────────────────── Ready
//!   Go ───────────────────────────▶ execve
//!          ◀─────────────────────── end of file: close-on-exec is the proof that it runs
//! ```
//! In a joined pid namespace, whose processes could see it, the container's first process is not the one that was
//! cloned first. That one does all the work outside, says `Arriving`, waits for `Go`, clones the other, says `Born` and
//! ends ([`crate::arrival`]).
//!
//! At any point the child may say `Failed` instead, with the step and the errno, and exit. From `Ready` on the other
//! side may be another process ([`crate::rendezvous`]).

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};

use crate::error::{Error, Result, Step};

const LONGEST: usize = 4096;

#[derive(Debug)]
pub(crate) enum Message {
    Go,
    /// All is mounted, and the host is still in sight.
    Built,
    Ready,
    Console(OwnedFd),
    /// What a helper was to open.
    Opened(OwnedFd),
    /// All work outside the joined pid namespace is done.
    Arriving,
    /// The process inside was cloned, with this pid.
    Born(i32),
    /// The child cannot bind the source of this mount itself.
    Bind(u32),
    /// The parent's answer: the detached mount.
    Bound(OwnedFd),
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

    /// `None` at the end of file: the other side is gone, or has become the user's program.
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

    /// In the child: until the parent has done its part.
    pub(crate) fn await_go(&self) -> Result<()> {
        match self.receive()? {
            Some(Message::Go) => Ok(()),
            // The parent has gone: it does not want us any more.
            _ => Err(Error::InitDied),
        }
    }

    /// Receives, taking the child's failure as ours.
    pub(crate) fn expect(&self) -> Result<Message> {
        match self.receive()? {
            Some(Message::Failed(error)) => Err(error),
            Some(message) => Ok(message),
            None => Err(Error::InitDied),
        }
    }
}

/// An error crosses as its kind, its errno and its text.
fn encode(message: &Message) -> (Vec<u8>, Option<&OwnedFd>) {
    let failure = |kind: u8, errno: i32, text: &str| {
        let text = &text.as_bytes()[..text.len().min(LONGEST - 6)];
        [&[kind], &errno.to_le_bytes()[..], text].concat()
    };
    match message {
        Message::Go => (b"g".to_vec(), None),
        Message::Built => (b"b".to_vec(), None),
        Message::Ready => (b"r".to_vec(), None),
        Message::Console(fd) => (b"c".to_vec(), Some(fd)),
        Message::Opened(fd) => (b"o".to_vec(), Some(fd)),
        Message::Arriving => (b"a".to_vec(), None),
        Message::Born(pid) => ([b"p", &pid.to_le_bytes()[..]].concat(), None),
        Message::Bind(index) => ([b"m", &index.to_le_bytes()[..]].concat(), None),
        Message::Bound(fd) => (b"s".to_vec(), Some(fd)),
        Message::Failed(Error::Step { step, errno }) => (failure(b'S', *errno as i32, step), None),
        Message::Failed(Error::NotFound { program, why }) => {
            (failure(b'N', i32::from(*why == IN_PATH), program), None)
        }
        Message::Failed(Error::NoInterpreter { program }) => (failure(b'L', 0, program), None),
        Message::Failed(Error::NotExecutable { program, errno }) => {
            (failure(b'X', *errno as i32, program), None)
        }
        Message::Failed(Error::Invalid(text)) => (failure(b'I', 0, text), None),
        Message::Failed(other) => (failure(b'T', 0, &other.to_string()), None),
    }
}

pub(crate) const IN_PATH: &str = "executable file not found in $PATH";
pub(crate) const NO_FILE: &str = "no such file or directory";

fn decode(packet: &[u8], fd: Option<OwnedFd>) -> Result<Message> {
    let failure = || {
        let (errno, text) = packet[1..].split_first_chunk::<4>()?;
        let errno = i32::from_le_bytes(*errno);
        // A process that may trace the child can make it send anything, and the text is printed on a terminal.
        let text = String::from_utf8_lossy(text).replace(|c: char| c.is_control() && c != '\n', "?");
        Some((errno, text))
    };
    let message = match (packet[0], fd) {
        (b'g', _) => Some(Message::Go),
        (b'b', _) => Some(Message::Built),
        (b'r', _) => Some(Message::Ready),
        (b'c', Some(fd)) => Some(Message::Console(fd)),
        (b'o', Some(fd)) => Some(Message::Opened(fd)),
        (b'a', _) => Some(Message::Arriving),
        (b'p', _) => packet[1..].try_into().ok().map(|pid| Message::Born(i32::from_le_bytes(pid))),
        (b'm', _) => packet[1..].try_into().ok().map(|index| Message::Bind(u32::from_le_bytes(index))),
        (b's', Some(fd)) => Some(Message::Bound(fd)),
        (kind @ (b'S' | b'N' | b'L' | b'X' | b'I' | b'T'), _) => failure().map(|(errno, text)| {
            Message::Failed(match kind {
                b'S' => Error::Step { step: text, errno: Errno::from_raw(errno) },
                b'N' => Error::NotFound { program: text, why: if errno == 1 { IN_PATH } else { NO_FILE } },
                b'L' => Error::NoInterpreter { program: text },
                b'X' => Error::NotExecutable { program: text, errno: Errno::from_raw(errno) },
                b'I' => Error::Invalid(text),
                _ => Error::Said(text),
            })
        }),
        _ => None,
    };
    message.ok_or(Error::InitDied)
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
}
