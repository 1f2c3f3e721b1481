//! The socket: sending requests and matching the kernel's answers to them.
//!
//! A socket speaks one protocol: rtnetlink(7) for links, addresses and routes, nfnetlink for packet filters. The kernel
//! handles both inside the caller's sendmsg(2), so every answer is queued when that call returns. Nothing here waits: a
//! missing answer is an error.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

use crate::error::{Error, IoContext, Result};
use crate::message::{self, ACK, DUMP, Message};
use crate::namespace;
use crate::reply::{Malformed, Reply, Value, replies, u32_at};

/// linux/netlink.h: options of a socket (netlink(7)), types of answers, flags and attributes of an error message.
const NETLINK_CAP_ACK: i32 = 10;
const NETLINK_EXT_ACK: i32 = 11;
const NETLINK_GET_STRICT_CHK: i32 = 12;
pub(crate) const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_DUMP_INTR: u16 = 0x10;
const NLM_F_ACK_TLVS: u16 = 0x200;
const NLMSGERR_ATTR_MSG: u16 = 1;

/// The kernel sends at most 32 KiB in one datagram (`netlink_recvmsg`).
const RECEIVE_BUFFER: usize = 64 * 1024;
/// Enough for a batch of some ten thousand nftables map elements.
const SEND_BUFFER: usize = 4 * 1024 * 1024;
/// A dump is repeated if objects changed while the kernel listed them, and at most this often.
const DUMP_ATTEMPTS: usize = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// rtnetlink(7).
    Route,
    /// nfnetlink: nf_tables and conntrack.
    Netfilter,
}

/// A netlink socket. It belongs to the network namespace in which it was opened, even if its owner moves to another one.
///
/// The kernel takes 8 to 12 ms to close a socket over which nftables were changed, because it waits until no packet uses
/// the old rules. Keep such a socket open while somebody waits for the result.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    pub(crate) sequence: u32,
    buffer: Vec<u8>,
}

impl Socket {
    /// Opens a socket in the calling thread's network namespace.
    pub fn open(protocol: Protocol) -> Result<Self> {
        let protocol = match protocol {
            Protocol::Route => None,
            Protocol::Netfilter => Some(netlink::NETFILTER),
        };
        let opened =
            rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol);
        let fd = opened.context(|| "open a netlink socket".into())?;
        // The kernel explains why it refuses (Linux 4.12), and does not repeat the refused request.
        let _ = hull_sys::net::enable_netlink_option(fd.as_fd(), NETLINK_EXT_ACK);
        let _ = hull_sys::net::enable_netlink_option(fd.as_fd(), NETLINK_CAP_ACK);
        // A dump can be limited to one link (Linux 4.20). Older kernels list all, and callers look at each object anyway.
        let _ = hull_sys::net::enable_netlink_option(fd.as_fd(), NETLINK_GET_STRICT_CHK);
        Ok(Self { fd, sequence: 0, buffer: Vec::new() })
    }

    /// Opens a socket in another network namespace.
    pub fn inside(namespace: BorrowedFd<'_>, protocol: Protocol) -> Result<Self> {
        namespace::within(namespace, || Self::open(protocol))
    }

    /// Asks for a change and reads the kernel's acknowledgement. `action` completes the error message "cannot …".
    pub fn request(&mut self, mut message: Message, action: impl Fn() -> String) -> Result<()> {
        message.add_flags(ACK);
        let sequence = self.send(vec![message], &action)?;
        self.acknowledged(sequence, sequence, &action)
    }

    /// Asks about one object. Returns `None` if there is no such object.
    pub fn query<T>(
        &mut self,
        message: Message,
        action: impl Fn() -> String,
        read: impl FnOnce(Reply<'_>) -> Option<T>,
    ) -> Result<Option<T>> {
        let sequence = self.send(vec![message], &action)?;
        let datagram = self.receive(&action)?;
        for reply in replies(datagram) {
            let reply = reply.map_err(|Malformed| malformed(&action))?;
            match reply.kind {
                _ if reply.sequence != sequence => {}
                NLMSG_ERROR => return none_if_missing(verdict(reply, &action)),
                _ => return read(reply).map(Some).ok_or_else(|| malformed(&action)),
            }
        }
        Err(Error::Answer { action: action(), why: "the kernel did not answer" })
    }

    /// Asks for all objects of a kind, and returns those for which `read` does not return `None`.
    pub fn dump<T>(
        &mut self,
        mut message: Message,
        action: impl Fn() -> String,
        mut read: impl FnMut(Reply<'_>) -> Option<T>,
    ) -> Result<Vec<T>> {
        message.add_flags(DUMP);
        for _ in 0..DUMP_ATTEMPTS {
            let sequence = self.send(vec![message.clone()], &action)?;
            if let Some(found) = self.collect(sequence, &action, &mut read)? {
                return Ok(found);
            }
        }
        Err(Error::Answer { action: action(), why: "the objects kept changing" })
    }

    /// Sends messages that belong together in one call. `acknowledged` is the index of the message whose acknowledgement
    /// means that all succeeded; any message may be refused.
    ///
    /// The messages themselves must make it a transaction: nf_tables has a begin and an end message for that.
    pub fn batch(
        &mut self,
        mut messages: Vec<Message>,
        acknowledged: usize,
        action: impl Fn() -> String,
    ) -> Result<()> {
        let Some(last) = messages.get_mut(acknowledged) else { return Ok(()) };
        last.add_flags(ACK);
        let count = messages.len() as u32;
        let end = self.send(messages, &action)?;
        let first = end.wrapping_sub(count - 1);
        let done = self.acknowledged(first, first.wrapping_add(acknowledged as u32), &action);
        if done.is_err() {
            // Each refused message has its own answer. The unread ones would leave less room for the next request's.
            while self.receive(&action).is_ok() {}
        }
        done
    }

    /// Reads the answers to a dump. Returns `None` if the objects changed while the kernel listed them.
    fn collect<T>(
        &mut self,
        sequence: u32,
        action: &impl Fn() -> String,
        read: &mut impl FnMut(Reply<'_>) -> Option<T>,
    ) -> Result<Option<Vec<T>>> {
        let (mut found, mut whole) = (Vec::new(), true);
        loop {
            for reply in replies(self.receive(action)?) {
                let reply = reply.map_err(|Malformed| malformed(action))?;
                if reply.sequence != sequence {
                    continue;
                }
                whole &= reply.flags & NLM_F_DUMP_INTR == 0;
                match reply.kind {
                    NLMSG_ERROR | NLMSG_DONE => {
                        verdict(reply, action)?;
                        return Ok(whole.then_some(found));
                    }
                    _ => found.extend(read(reply)),
                }
            }
        }
    }

    /// Reads answers until the kernel has acknowledged message `last`, or refused any message from `first` on.
    fn acknowledged(&mut self, first: u32, last: u32, action: &impl Fn() -> String) -> Result<()> {
        loop {
            for reply in replies(self.receive(action)?) {
                let reply = reply.map_err(|Malformed| malformed(action))?;
                // Answers to an earlier request, which was given up at its first error, may still be in the queue.
                let ours = reply.sequence.wrapping_sub(first) <= last.wrapping_sub(first);
                if ours && reply.kind == NLMSG_ERROR {
                    verdict(reply, action)?;
                    if reply.sequence == last {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Sends the messages in one datagram. Returns the sequence number of the last one.
    fn send(&mut self, messages: Vec<Message>, action: &impl Fn() -> String) -> Result<u32> {
        let mut bytes = Vec::new();
        for message in messages {
            self.sequence = self.sequence.wrapping_add(1);
            let too_long = || Error::Answer { action: action(), why: "the request is too long" };
            bytes.extend(message.finish(self.sequence).ok_or_else(too_long)?);
        }
        if bytes.len() > 64 * 1024 {
            // Exceeding the usual limit takes CAP_NET_ADMIN in the initial namespace. Without it sendto(2) fails with EMSGSIZE.
            let _ = sockopt::set_socket_send_buffer_size_force(&self.fd, SEND_BUFFER);
        }
        let kernel = SocketAddrNetlink::new(0, 0);
        rustix::io::retry_on_intr(|| rustix::net::sendto(&self.fd, &bytes, SendFlags::empty(), &kernel))
            .context(action)?;
        Ok(self.sequence)
    }

    /// The next datagram from the kernel.
    fn receive(&mut self, action: &impl Fn() -> String) -> Result<&[u8]> {
        self.buffer.resize(RECEIVE_BUFFER, 0);
        loop {
            let flags = RecvFlags::DONTWAIT | RecvFlags::TRUNC;
            let received = rustix::io::retry_on_intr(|| {
                rustix::net::recvfrom(&self.fd, self.buffer.as_mut_slice(), flags)
            });
            let (_, length, from) = match received {
                // There were more answers than the queue has room for. The first ones are in it, which is enough to
                // find the first refusal.
                Err(rustix::io::Errno::NOBUFS) => continue,
                Err(rustix::io::Errno::AGAIN) => {
                    return Err(Error::Answer { action: action(), why: "the kernel did not answer" });
                }
                received => received.context(action)?,
            };
            // Other processes can send to this socket too. Only the kernel has port 0.
            let kernel = from.and_then(|from| SocketAddrNetlink::try_from(from).ok());
            if kernel.is_none_or(|from| from.pid() != 0) {
                continue;
            }
            // With MSG_TRUNC the length is that of the whole datagram, even if it does not fit into the buffer.
            return self.buffer.get(..length).ok_or_else(|| Error::Answer {
                action: action(),
                why: "the kernel's answer is longer than it may be",
            });
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Reads `NLMSG_ERROR` or `NLMSG_DONE`: an error number, which is 0 for success or negative, and perhaps an explanation.
fn verdict(reply: Reply<'_>, action: &impl Fn() -> String) -> Result<()> {
    let code = u32_at(reply.payload, 0).ok_or_else(|| malformed(action))? as i32;
    if code == 0 || (reply.kind == NLMSG_DONE && code > 0) {
        return Ok(());
    }
    // Because of NETLINK_CAP_ACK only the header of the refused request is repeated.
    let fixed = if reply.kind == NLMSG_ERROR { 4 + message::HEADER } else { 4 };
    let explained = reply.flags & NLM_F_ACK_TLVS != 0;
    let reason = reply.attributes(fixed).get(NLMSGERR_ATTR_MSG).filter(|_| explained);
    Err(Error::Refused {
        action: action(),
        source: io::Error::from_raw_os_error(code.saturating_neg()),
        reason: reason.and_then(Value::text).unwrap_or_default().trim_end_matches('.').to_owned(),
    })
}

fn none_if_missing<T>(verdict: Result<()>) -> Result<Option<T>> {
    match verdict {
        Err(error) if matches!(error.errno(), Some(libc::ENODEV | libc::ENOENT | libc::ESRCH)) => Ok(None),
        verdict => verdict.map(|()| None),
    }
}

fn malformed(action: &impl Fn() -> String) -> Error {
    Error::Answer { action: action(), why: "the kernel's answer makes no sense" }
}
