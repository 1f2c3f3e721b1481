//! Netlink: how the kernel is told about links, addresses, routes and packet filters. Not by files or ioctls but by messages
//! over a socket, which is what `ip` and `nft` do too.
//!
//! ```text
//! ┌ 16 bytes: length, type, flags, sequence number, sender (netlink(7)) ┬ a fixed part, by type ┬ attributes … ┐
//!                                                      an attribute: length, kind, value, up to a multiple of 4
//! ```
//!
//! An attribute's value may be attributes again. To each message the kernel answers with 0 or an errno.
//!
//! Why messages? A call has six arguments, and a link has some sixty properties, more in each year's kernel. A
//! message says only those that are meant; whoever does not know a kind of attribute skips it by its length.
//! Old programs go on working with new kernels, and new programs with old ones.

// One socket option that nix has no name for.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Error, Result};
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};

use crate::report;

/// A message that is being written.
/// Bytes, from the first to the last, in the order in which they are said: there is no struct to fill in.
pub struct Message(Vec<u8>);

impl Message {
    /// `flags` beside those that every one of ours has. `fixed` is the part that the type demands.
    pub fn new(kind: u16, flags: i32, fixed: &[u8]) -> Self {
        // Every message to the kernel is a request; those that come back are not.
        let flags = (flags | libc::NLM_F_REQUEST) as u16;
        // Room for the length, which is known when all is said.
        let mut bytes = vec![0; 4];
        // In the order of this machine's bytes: these never leave it.
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        // The sequence number comes with the sending, and we have no name but that of our socket.
        bytes.resize(16, 0);
        bytes.extend(fixed);
        Self(bytes)
    }

    /// One more thing that is said. The length leaves out the filling, which the next one needs to begin at a multiple of 4.
    /// Length and kind are 16 bits each: no attribute is longer than 64 KiB, and the kinds are numbered by what
    /// they are in, so that 1 is the address of one thing and the name of another.
    pub fn attr(mut self, kind: u16, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        self.0.extend((4 + value.len() as u16).to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// A name, with the zero byte that ends it.
    pub fn text(self, kind: u16, text: &str) -> Self {
        self.attr(kind, format!("{text}\0"))
    }

    /// An attribute made of a fixed part and of attributes.
    /// The flag on the kind says that there are attributes inside. Old parts of the kernel never look at it, newer
    /// ones refuse a nest without it.
    pub fn nest(mut self, kind: u16, fixed: &[u8], fill: impl FnOnce(Self) -> Self) -> Self {
        let start = self.0.len();
        self = self.attr(kind | libc::NLA_F_NESTED as u16, fixed);
        self = fill(self);
        // Its length is known only here.
        let length = (self.0.len() - start) as u16;
        self.0[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self
    }
}

/// A conversation with one part of the kernel.
/// It is a socket like any other: an address family of its own, a descriptor, send and recv. On the other end
/// are the kernel's functions, and they run in our process's time, with our capabilities, before send returns.
pub struct Socket {
    fd: OwnedFd,
    sequence: u32,
}

impl Socket {
    /// The network namespace is that of the process at this moment. A socket stays in it, wherever the process goes.
    pub fn open(protocol: SockProtocol) -> Result<Self> {
        let call = || format!("socket(AF_NETLINK, {protocol:?})");
        let fd = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)
            .with_context(call)?;
        // Reasons in words, and not all of our message sent back with them.
        // Without the first of these "Invalid argument" is all one hears of a message with twenty attributes.
        for option in [libc::NETLINK_EXT_ACK, libc::NETLINK_CAP_ACK] {
            let (on, size) = (1_i32, size_of::<i32>() as u32);
            // SAFETY: the option is an int, and `on` is one. A kernel that does not know it goes on without.
            unsafe {
                libc::setsockopt(fd.as_raw_fd(), libc::SOL_NETLINK, option, (&raw const on).cast(), size)
            };
        }
        Ok(Self { fd, sequence: 0 })
    }

    /// Sends these in one piece and waits until each is answered. What the kernel said beside yes: the messages, without
    /// the first 16 bytes. `call` is for the trace, or for the error.
    pub fn call(&mut self, call: &str, messages: Vec<Message>) -> Result<Vec<Vec<u8>>> {
        let answers = self.ask(messages).with_context(|| call.to_owned())?;
        report::trace(call);
        Ok(answers)
    }

    /// In one piece, because nf_tables does all of a batch or nothing: a rule without its chain is never there,
    /// not even for a moment.
    fn ask(&mut self, messages: Vec<Message>) -> Result<Vec<Vec<u8>>> {
        // How many of them will be answered.
        let mut expected = 0;
        let mut bytes = Vec::new();
        for Message(mut message) in messages {
            self.sequence += 1;
            let length = message.len() as u32;
            message[..4].copy_from_slice(&length.to_ne_bytes());
            // An answer repeats the number of what it answers. Ours come in order on a socket of our own, so
            // nobody has to compare.
            message[8..12].copy_from_slice(&self.sequence.to_ne_bytes());
            // The begin and end of a batch are answered by nobody.
            let flags = i32::from(u16_at(&message, 6));
            expected += usize::from(flags & (libc::NLM_F_ACK | libc::NLM_F_DUMP) != 0);
            bytes.extend(message);
        }
        send(self.fd.as_raw_fd(), &bytes, MsgFlags::empty()).context("send")?;
        let mut answers = Vec::new();
        // What does not fit is cut off, and lost. The kernel sends lists in pieces of at most 32 KiB.
        let mut buffer = vec![0; 64 << 10];
        while expected > 0 {
            let length = recv(self.fd.as_raw_fd(), &mut buffer, MsgFlags::empty()).context("recv")?;
            // One datagram can hold many messages, each with a header of its own.
            let mut rest = &buffer[..length];
            while rest.len() >= 16 {
                // Its own length, and no less than a header, or this loop would have no end.
                let end = (u32_at(rest, 0) as usize).clamp(16, rest.len());
                match i32::from(u16_at(rest, 4)) {
                    // The answer to a message; "no error" is one too.
                    libc::NLMSG_ERROR => {
                        refused(&rest[..end])?;
                        expected -= 1;
                    }
                    // The end of a list.
                    libc::NLMSG_DONE => expected -= 1,
                    _ => answers.push(rest[16..end].to_vec()),
                }
                rest = &rest[end.next_multiple_of(4).min(rest.len())..];
            }
        }
        Ok(answers)
    }
}

/// An errno, negative, and since Linux 4.12 often the reason in words.
/// Negative as inside the kernel, where a function answers with what it has made or with minus an errno.
fn refused(message: &[u8]) -> Result<()> {
    let number = u32_at(message, 16) as i32;
    if number == 0 {
        return Ok(());
    }
    // From here on it is an error like one of a system call.
    let error = Error::new(Errno::from_raw(-number));
    // Behind the errno is the header of what we had sent, and then attributes; 1 is NLMSGERR_ATTR_MSG.
    let reason = attributes(message.get(36..).unwrap_or_default()).find(|(kind, _)| *kind == 1);
    let Some((_, reason)) = reason else { return Err(error) };
    Err(error
        .context(format!("the kernel says {:?}", String::from_utf8_lossy(reason).trim_end_matches('\0'))))
}

/// The kind and value of each.
/// Ends at the first that is cut short, as the kernel's own reader does.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes.get(..4)?, 0));
        let value = bytes.get(4..length)?;
        let kind = u16_at(bytes, 2) & libc::NLA_TYPE_MASK as u16;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// Numbers are in the order of this machine's bytes; those of nf_tables are not (nat.rs).
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |four| u32::from_ne_bytes([four[0], four[1], four[2], four[3]]))
}
