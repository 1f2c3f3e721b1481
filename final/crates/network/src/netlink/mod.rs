//! A netlink socket: requests to the kernel, and its answers. See netlink(7).
//!
//! One socket speaks one protocol: rtnetlink(7) about links, addresses and routes, nfnetlink about packet filtering. Both
//! kernel sides do their work while the caller is inside sendmsg(2), so every answer is queued when it returns, and
//! nothing here ever waits: no answer is an error.

mod message;
mod parse;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

pub use message::{ACK, APPEND, CREATE, CREATE_NEW, DUMP, Message};
pub use parse::{Attributes, Malformed, Reply, Value, replies, u16_at, u32_at};

use crate::error::{Context, Error, Result};
use crate::namespace;

/// linux/netlink.h: options of a socket (netlink(7)), and flags and attributes of an error message.
const NETLINK_CAP_ACK: i32 = 10;
const NETLINK_EXT_ACK: i32 = 11;
const NETLINK_GET_STRICT_CHK: i32 = 12;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_DUMP_INTR: u16 = 0x10;
const NLM_F_ACK_TLVS: u16 = 0x200;
const NLMSGERR_ATTR_MSG: u16 = 1;

/// The kernel sends at most 32 KiB at once (`netlink_recvmsg`).
const RECEIVE: usize = 64 * 1024;
/// Room for some ten thousand map elements in one batch.
const SEND: usize = 4 * 1024 * 1024;
/// A dump starts over when the objects changed below it; on a machine that never rests this ends it.
const DUMP_ATTEMPTS: usize = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// rtnetlink(7).
    Route,
    /// nfnetlink: nf_tables and conntrack.
    Netfilter,
}

/// It belongs to the network namespace in which it was opened, wherever its owner goes.
///
/// Closing one over which nf_tables were changed takes the kernel 8 to 12 ms, for it waits until no packet uses the old
/// rules: keep it open for as long as anybody waits for an answer.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Socket {
    /// In the calling thread's network namespace.
    pub fn open(protocol: Protocol) -> Result<Self> {
        let protocol = match protocol {
            Protocol::Route => None,
            Protocol::Netfilter => Some(netlink::NETFILTER),
        };
        let opened =
            rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol);
        let fd = opened.context(|| "open a netlink socket".into())?;
        // Explains refusals (Linux 4.12), and keeps the refused request out of the answer.
        let _ = hull_sys::net::enable_netlink_option(fd.as_fd(), NETLINK_EXT_ACK);
        let _ = hull_sys::net::enable_netlink_option(fd.as_fd(), NETLINK_CAP_ACK);
        // Lets a dump be narrowed down (Linux 4.20); before, the answer is longer, and we look at each object anyway.
        let _ = hull_sys::net::enable_netlink_option(fd.as_fd(), NETLINK_GET_STRICT_CHK);
        Ok(Self { fd, sequence: 0, buffer: Vec::new() })
    }

    /// In another network namespace.
    pub fn inside(namespace: BorrowedFd<'_>, protocol: Protocol) -> Result<Self> {
        namespace::within(namespace, || Self::open(protocol))
    }

    /// Asks for a change and waits for the kernel's word that it is done. `action` completes "cannot …".
    pub fn request(&mut self, mut message: Message, action: impl Fn() -> String) -> Result<()> {
        message.add_flags(ACK);
        let sequence = self.send(vec![message], &action)?;
        self.acknowledged(sequence, sequence, &action)
    }

    /// Asks about one object. `None` when there is no such object.
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

    /// Asks for all objects of a kind; what `read` makes `None` of is left out.
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

    /// Sends messages that belong together in one go. The kernel says yes to the last one, or no to any.
    ///
    /// That all or none takes effect is up to the messages: nf_tables wants them between a begin and an end.
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
            // Each refused message has an answer of its own; what is left would take the room of the next request's.
            while self.receive(&action).is_ok() {}
        }
        done
    }

    /// `None` when the objects changed while they were listed.
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

    /// Reads until the kernel has answered message `last`, or refused any from `first` on.
    fn acknowledged(&mut self, first: u32, last: u32, action: &impl Fn() -> String) -> Result<()> {
        loop {
            for reply in replies(self.receive(action)?) {
                let reply = reply.map_err(|Malformed| malformed(action))?;
                // An answer to an earlier request, which ended at its first error, is nobody's any more.
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

    /// Returns the number of the last message.
    fn send(&mut self, messages: Vec<Message>, action: &impl Fn() -> String) -> Result<u32> {
        let mut bytes = Vec::new();
        for message in messages {
            self.sequence = self.sequence.wrapping_add(1);
            let too_long = || Error::Answer { action: action(), why: "the request is too long" };
            bytes.extend(message.finish(self.sequence).ok_or_else(too_long)?);
        }
        if bytes.len() > 64 * 1024 {
            // Beyond the usual limit only with CAP_NET_ADMIN over the machine; without it the send says EMSGSIZE.
            let _ = sockopt::set_socket_send_buffer_size_force(&self.fd, SEND);
        }
        let kernel = SocketAddrNetlink::new(0, 0);
        rustix::io::retry_on_intr(|| rustix::net::sendto(&self.fd, &bytes, SendFlags::empty(), &kernel))
            .context(action)?;
        Ok(self.sequence)
    }

    /// The next datagram from the kernel.
    fn receive(&mut self, action: &impl Fn() -> String) -> Result<&[u8]> {
        self.buffer.resize(RECEIVE, 0);
        loop {
            let flags = RecvFlags::DONTWAIT | RecvFlags::TRUNC;
            let received = rustix::io::retry_on_intr(|| {
                rustix::net::recvfrom(&self.fd, self.buffer.as_mut_slice(), flags)
            });
            let (_, length, from) = match received {
                // There were more answers than the queue has room for: the first of many refusals are in it.
                Err(rustix::io::Errno::NOBUFS) => continue,
                Err(rustix::io::Errno::AGAIN) => {
                    return Err(Error::Answer { action: action(), why: "the kernel did not answer" });
                }
                received => received.context(action)?,
            };
            // Processes can write to each other over netlink; the kernel is number 0.
            let kernel = from.and_then(|from| SocketAddrNetlink::try_from(from).ok());
            if kernel.is_none_or(|from| from.pid() != 0) {
                continue;
            }
            // With MSG_TRUNC the length is that of what was sent, and not of what fitted.
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

/// Reads `NLMSG_ERROR` and `NLMSG_DONE`, which begin with an error number, 0 or negative, and may end with a sentence.
fn verdict(reply: Reply<'_>, action: &impl Fn() -> String) -> Result<()> {
    let code = u32_at(reply.payload, 0).ok_or_else(|| malformed(action))? as i32;
    if code == 0 || (reply.kind == NLMSG_DONE && code > 0) {
        return Ok(());
    }
    // NETLINK_CAP_ACK: of the refused request only its header is repeated.
    let fixed = if reply.kind == NLMSG_ERROR { 4 + message::HEADER } else { 4 };
    let explained = reply.flags & NLM_F_ACK_TLVS != 0;
    let reason = reply.attributes(fixed).get(NLMSGERR_ATTR_MSG).filter(|_| explained);
    Err(Error::Kernel {
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

#[cfg(test)]
mod tests;
