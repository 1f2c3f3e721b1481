//! Netlink: messages over a socket that ask the kernel to change links, addresses, routes and packet
//! filters. `ip` and `nft` use netlink too.
//!
//! A message has a header of 16 bytes (length, type, flags, sequence number, sender; netlink(7)), a
//! fixed part that depends on the type, and attributes. An attribute has a length, a kind, and a
//! value that is padded to a multiple of 4 bytes. The value may consist of attributes again.
//! The kernel answers each message with 0 or an errno.
//!
//! Why messages? A system call has at most six arguments, and a link has about sixty properties. A
//! message contains only those properties that it sets. A reader skips an attribute that it does
//! not know, because the length says where the next one begins. So old programs work with new
//! kernels, and new programs with old kernels.

// For a socket option that nix does not wrap.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Error, Result};
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};

use crate::report;

/// A message under construction: bytes in the order in which they are sent.
pub struct Message(Vec<u8>);

impl Message {
    /// Begins a message with these flags and the fixed part that belongs to its type.
    pub fn new(kind: u16, flags: i32, fixed: &[u8]) -> Self {
        // Every message to the kernel has this flag, and the answers do not have it.
        let flags = (flags | libc::NLM_F_REQUEST) as u16;
        // Space for the length, which `ask` fills in.
        let mut bytes = vec![0; 4];
        // Netlink uses the machine's own byte order.
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        // `ask` fills in the sequence number too. The sender's port id stays 0.
        bytes.resize(16, 0);
        bytes.extend(fixed);
        Self(bytes)
    }

    /// Adds an attribute. Its length does not include the padding. Length and kind have 16 bits each.
    /// The meaning of a kind depends on the message or the attribute around it.
    pub fn attr(mut self, kind: u16, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        self.0.extend((4 + value.len() as u16).to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// Adds a string with its terminating zero byte.
    pub fn text(self, kind: u16, text: &str) -> Self {
        self.attr(kind, format!("{text}\0"))
    }

    /// Adds an attribute that consists of a fixed part and of attributes. NLA_F_NESTED marks it:
    /// older parts of the kernel ignore this flag, and newer parts require it.
    pub fn nest(mut self, kind: u16, fixed: &[u8], fill: impl FnOnce(Self) -> Self) -> Self {
        let start = self.0.len();
        self = self.attr(kind | libc::NLA_F_NESTED as u16, fixed);
        self = fill(self);
        // The length is known only when the value is complete.
        let length = (self.0.len() - start) as u16;
        self.0[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self
    }
}

/// A netlink socket for one subsystem of the kernel. The kernel handles a message while the process
/// sends it, and checks the capabilities of this process.
pub struct Socket {
    fd: OwnedFd,
    sequence: u32,
}

impl Socket {
    /// Opens a socket in the current network namespace of the process. The socket stays in this
    /// namespace, even if the process enters another.
    pub fn open(protocol: SockProtocol) -> Result<Self> {
        let call = || format!("socket(AF_NETLINK, {protocol:?})");
        let fd = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)
            .with_context(call)?;
        // EXT_ACK asks for errors in words: without it, the kernel reports a mistake in any of
        // twenty attributes only as "Invalid argument". CAP_ACK asks the kernel not to repeat the
        // message in its answer.
        for option in [libc::NETLINK_EXT_ACK, libc::NETLINK_CAP_ACK] {
            let (on, size) = (1_i32, size_of::<i32>() as u32);
            // SAFETY: the option is an int, as `on` is. A kernel that does not know the option
            // ignores it.
            unsafe {
                libc::setsockopt(fd.as_raw_fd(), libc::SOL_NETLINK, option, (&raw const on).cast(), size)
            };
        }
        Ok(Self { fd, sequence: 0 })
    }

    /// Sends the messages in one datagram and waits for the answers. Returns the answers that are not
    /// acknowledgements, without their headers. `call` names the messages in the trace and in errors.
    pub fn call(&mut self, call: &str, messages: Vec<Message>) -> Result<Vec<Vec<u8>>> {
        let answers = self.ask(messages).with_context(|| call.to_owned())?;
        report::trace(call);
        Ok(answers)
    }

    /// All messages are one datagram, because nf_tables applies a batch as a whole: a rule never exists
    /// without its chain.
    fn ask(&mut self, messages: Vec<Message>) -> Result<Vec<Vec<u8>>> {
        // The number of answers to wait for.
        let mut expected = 0;
        let mut bytes = Vec::new();
        for Message(mut message) in messages {
            self.sequence += 1;
            let length = message.len() as u32;
            message[..4].copy_from_slice(&length.to_ne_bytes());
            // An answer repeats this number. Answers come in the order of the messages, so comparing
            // the numbers is not necessary.
            message[8..12].copy_from_slice(&self.sequence.to_ne_bytes());
            // The begin and end of a batch get no answer.
            let flags = i32::from(u16_at(&message, 6));
            expected += usize::from(flags & (libc::NLM_F_ACK | libc::NLM_F_DUMP) != 0);
            bytes.extend(message);
        }
        send(self.fd.as_raw_fd(), &bytes, MsgFlags::empty()).context("send")?;
        let mut answers = Vec::new();
        // recv cuts a datagram that is larger than the buffer. The kernel sends lists in pieces of
        // at most 32 KiB.
        let mut buffer = vec![0; 64 << 10];
        while expected > 0 {
            let length = recv(self.fd.as_raw_fd(), &mut buffer, MsgFlags::empty()).context("recv")?;
            // A datagram can contain several messages, each with its own header.
            let mut rest = &buffer[..length];
            while rest.len() >= 16 {
                // A message has at least the length of a header. This makes sure that the loop
                // ends.
                let end = (u32_at(rest, 0) as usize).clamp(16, rest.len());
                match i32::from(u16_at(rest, 4)) {
                    // An acknowledgement: error 0, or an errno.
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

/// Reads an acknowledgement: 0 or a negative errno, and since Linux 4.12 often the reason in words.
fn refused(message: &[u8]) -> Result<()> {
    let number = u32_at(message, 16) as i32;
    if number == 0 {
        return Ok(());
    }
    // The error is reported like the error of a system call.
    let error = Error::new(Errno::from_raw(-number));
    // The errno is followed by the header of the request, and then by attributes; 1 is
    // NLMSGERR_ATTR_MSG.
    let reason = attributes(message.get(36..).unwrap_or_default()).find(|(kind, _)| *kind == 1);
    let Some((_, reason)) = reason else { return Err(error) };
    Err(error
        .context(format!("the kernel says {:?}", String::from_utf8_lossy(reason).trim_end_matches('\0'))))
}

/// Iterates over attributes: kind and value. The iteration ends at an attribute that is cut off, as
/// in the kernel's own reader.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes.get(..4)?, 0));
        let value = bytes.get(4..length)?;
        let kind = u16_at(bytes, 2) & libc::NLA_TYPE_MASK as u16;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// Numbers are in the machine's byte order, except those of nf_tables (nftables.rs).
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |four| u32::from_ne_bytes([four[0], four[1], four[2], four[3]]))
}
