//! systemd's journal, by its native protocol: a datagram for each message
//! (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>), with docker's fields
//! (<https://docs.docker.com/engine/logging/drivers/journald/>).
//!
//! The socket is not blocking. If the journal is slow, one read of the container's output waits here, and the rest in the
//! container's pipe; with `mode=non-blocking` up to `max-buffer-size` waits here, and what comes then is lost. Without a
//! journal messages are lost. A notice with their number precedes the next message that the journal takes.

use std::collections::VecDeque;
use std::io::{IoSlice, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use hull_docker::flags::log::Settings;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketType};

use crate::logs::journal::OWN_FIELDS;
use crate::records::record::Record;
use crate::records::stream::Stream;
use crate::records::time::Timestamp;

const SOCKET: &str = "/run/systemd/journal/socket";

/// How long the end of a container waits for a slow journal.
const LAST_MESSAGES: Duration = Duration::from_secs(2);

/// syslog(3): docker's priorities for stderr and stdout, and a warning.
const ERROR: u8 = 3;
const WARNING: u8 = 4;
const INFORMATION: u8 = 6;

#[derive(Debug)]
pub(super) struct Journal {
    socket: Option<OwnedFd>,
    /// The fields that every message has.
    fields: Vec<u8>,
    /// Bytes that may wait; `None`: the container waits.
    limit: Option<u64>,
    waiting: VecDeque<Vec<u8>>,
    /// Bytes that wait.
    size: u64,
    lost: u64,
}

impl Journal {
    pub(super) fn new(record: &Record, settings: &Settings, tag: &str) -> Self {
        let mut fields = Vec::new();
        for (name, value) in [
            ("CONTAINER_ID", record.short_id()),
            ("CONTAINER_ID_FULL", &record.id),
            ("CONTAINER_NAME", &record.name),
            ("CONTAINER_TAG", tag),
            ("IMAGE_NAME", &record.options.image),
            ("SYSLOG_IDENTIFIER", tag),
        ] {
            add_field(&mut fields, name, value.as_bytes());
        }
        for (key, value) in settings.attributes.chosen(&record.labels, &record.process.env) {
            let name = field_name(&key);
            // An image could otherwise write into the log of another container, by a label `CONTAINER_ID_FULL`.
            if !name.is_empty() && !OWN_FIELDS.contains(&name.as_str()) {
                add_field(&mut fields, &name, value.as_bytes());
            }
        }
        Self { socket: None, fields, limit: settings.buffer, waiting: VecDeque::new(), size: 0, lost: 0 }
    }

    pub(super) fn is_full(&self) -> bool {
        self.limit.is_none() && !self.waiting.is_empty()
    }

    pub(super) fn to_poll(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().filter(|_| !self.waiting.is_empty()).map(AsFd::as_fd)
    }

    /// `text` is a line, or a part of one, which does not end with a newline.
    pub(super) fn send(&mut self, stream: Stream, text: &[u8], time: Timestamp) {
        let priority = if stream == Stream::Stderr { ERROR } else { INFORMATION };
        let (text, is_partial) = match text.strip_suffix(b"\n") {
            Some(line) => (line, false),
            None => (text, true),
        };
        let mut message = self.message(priority, text, time);
        if is_partial {
            add_field(&mut message, "CONTAINER_PARTIAL_MESSAGE", b"true");
        }
        let length = message.len() as u64;
        if self.limit.is_some_and(|limit| !self.waiting.is_empty() && self.size + length > limit) {
            self.lost += 1;
            return;
        }
        self.size += length;
        self.waiting.push_back(message);
        if self.waiting.len() == 1 {
            self.resume();
        }
    }

    fn message(&self, priority: u8, text: &[u8], time: Timestamp) -> Vec<u8> {
        let mut message = Vec::with_capacity(self.fields.len() + text.len() + 128);
        add_field(&mut message, "MESSAGE", text);
        add_field(&mut message, "PRIORITY", priority.to_string().as_bytes());
        add_field(&mut message, "SYSLOG_TIMESTAMP", time.to_string().as_bytes());
        message.extend_from_slice(&self.fields);
        message
    }

    /// Sends what waits, until the journal's queue is full.
    pub(super) fn resume(&mut self) {
        while let Some(message) = self.waiting.front() {
            match transmit(&mut self.socket, message) {
                Err(Errno::AGAIN) => return,
                Ok(()) => self.report_lost(),
                Err(_) => self.lost += 1,
            }
            let sent = self.waiting.pop_front().map_or(0, |message| message.len() as u64);
            self.size = self.size.saturating_sub(sent);
        }
        // A burst's memory is returned.
        self.waiting.shrink_to(8);
    }

    fn report_lost(&mut self) {
        if self.lost > 0 {
            let text = format!("hull: here are missing {} messages that the journal did not take", self.lost);
            let notice = self.message(WARNING, text.as_bytes(), Timestamp::now());
            if transmit(&mut self.socket, &notice).is_ok() {
                self.lost = 0;
            }
        }
    }

    /// Waits a moment for the journal at the container's end.
    pub(super) fn finish(&mut self) {
        let end = Instant::now() + LAST_MESSAGES;
        self.resume();
        while let (Some(socket), Some(left)) = (self.to_poll(), end.checked_duration_since(Instant::now())) {
            let mut fds = [PollFd::from_borrowed_fd(socket, PollFlags::OUT)];
            if poll(&mut fds, left.try_into().ok().as_ref()) == Ok(0) {
                return;
            }
            self.resume();
        }
    }
}

/// Sends one message. The journal may have been restarted since the last one, so a refused connection is made anew.
fn transmit(socket: &mut Option<OwnedFd>, message: &[u8]) -> rustix::io::Result<()> {
    let is_new = socket.is_none();
    let connected = match socket.take() {
        Some(connected) => connected,
        None => connect()?,
    };
    match transmit_over(&connected, message) {
        Err(Errno::CONNREFUSED | Errno::NOTCONN | Errno::CONNRESET) if !is_new => {
            let connected = connect()?;
            let sent = transmit_over(&connected, message);
            *socket = Some(connected);
            sent
        }
        sent => {
            *socket = Some(connected);
            sent
        }
    }
}

fn connect() -> rustix::io::Result<OwnedFd> {
    let socket = hull_sys::net::connect(Path::new(SOCKET), SocketType::DGRAM)?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    Ok(socket)
}

/// A message that is larger than a datagram is sent as a sealed file in memory.
fn transmit_over(socket: &OwnedFd, message: &[u8]) -> rustix::io::Result<()> {
    match rustix::net::send(socket, message, SendFlags::NOSIGNAL) {
        Err(Errno::MSGSIZE | Errno::NOBUFS) => {}
        sent => return sent.map(drop),
    }
    let memory = rustix::fs::memfd_create(c"hull-log", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut file = std::fs::File::from(memory);
    file.write_all(message).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    rustix::fs::fcntl_add_seals(&file, seals)?;
    let fds = [file.as_fd()];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&fds));
    rustix::net::sendmsg(socket, &[IoSlice::new(&[])], &mut ancillary, SendFlags::NOSIGNAL).map(drop)
}

/// A value with a newline is preceded by its length.
fn add_field(message: &mut Vec<u8>, name: &str, value: &[u8]) {
    message.extend_from_slice(name.as_bytes());
    if memchr::memchr(b'\n', value).is_none() {
        message.push(b'=');
    } else {
        message.push(b'\n');
        message.extend_from_slice(&(value.len() as u64).to_le_bytes());
    }
    message.extend_from_slice(value);
    message.push(b'\n');
}

/// docker's name for a label's or a variable's field: the journal takes capital letters, digits and underscores, and no name
/// of a user's begins with an underscore.
fn field_name(key: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    key.chars().map(allowed).collect::<String>().trim_start_matches('_').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_written_as_the_journal_reads_them() {
        let mut message = Vec::new();
        add_field(&mut message, "MESSAGE", b"one line");
        add_field(&mut message, "OTHER", b"two\nlines");
        assert_eq!(message, b"MESSAGE=one line\nOTHER\n\x09\0\0\0\0\0\0\0two\nlines\n");
        assert_eq!(field_name("com.example/some-label"), "COM_EXAMPLE_SOME_LABEL");
        assert_eq!(field_name("__x"), "X");
        assert_eq!(field_name("é"), "");
    }
}
