//! Joins a client's connection to an attachment.
//!
//! ```text
//! client ── bytes for stdin ──▶ attachment       not read while the container does not take it
//! client ◀── frames ─────────── attachment       not read while the client does not take it
//! ```
//! So a slow side holds up the other one, as a pipe does, and memory stays bounded.

use std::os::fd::{AsFd, BorrowedFd};

use hull_docker::detach_keys::{DetachKeys, Typed};
use hull_engine::{AttachEvent, AttachInput, AttachStream, Stream};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

use super::frames::Framing;
use super::websocket::{Input, encode_close};
use crate::failure::{Failure, Result};
use crate::http::Hijacked;

/// How many bytes may wait for the client before no more output is taken.
const WAITING: usize = 256 * 1024;

/// What follows when the client has sent all of its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StdinEnd {
    /// stdin ends, and the output continues.
    Closes,
    /// The attachment ends, and the program continues. dockerd does so for a terminal, and for a stdin that outlives its clients.
    Detaches,
}

/// What is carried.
#[derive(Debug)]
pub struct Plan {
    /// `None`: what the client sends is not read.
    pub stdin: Option<StdinEnd>,
    /// Whether stdout, and stderr, are sent.
    pub output: [bool; 2],
    pub framing: Framing,
    /// Only a terminal has detach keys.
    pub keys: Option<DetachKeys>,
}

/// Carries bytes until the program has ended, the user has detached, or the client has gone.
pub fn pump(mut client: Hijacked<'_>, stream: AttachStream, plan: Plan) -> Result<()> {
    let early = client.take_buffered();
    let mut pump = Pump {
        client: client.as_fd(),
        input: plan.stdin.is_some(),
        stream,
        plan,
        waiting: Vec::new(),
        sent: 0,
        is_over: false,
        received: Vec::new(),
    };
    if pump.input && !early.is_empty() {
        pump.take_input(&early)?;
    }
    pump.run()
}

struct Pump<'a> {
    client: BorrowedFd<'a>,
    stream: AttachStream,
    plan: Plan,
    /// The client may send more.
    input: bool,
    /// Encoded output, of which the first `sent` bytes have been sent.
    waiting: Vec<u8>,
    sent: usize,
    /// Nothing follows what waits.
    is_over: bool,
    received: Vec<u8>,
}

impl Pump<'_> {
    fn run(&mut self) -> Result<()> {
        loop {
            self.take_output();
            self.send()?;
            if self.is_over && self.waiting.is_empty() {
                return Ok(());
            }
            let (client, stream) = self.wait()?;
            if stream {
                // If the container's side is broken, receiving tells.
                let _ = self.stream.flush();
            }
            if client.intersects(PollFlags::ERR | PollFlags::HUP) {
                return Err(Failure::client_gone(std::io::ErrorKind::BrokenPipe.into()));
            }
            if client.contains(PollFlags::IN) && self.input && !self.stream.is_pending() {
                self.receive()?;
            }
        }
    }

    /// Waits for either side. Returns what the client's has, and whether the container's is ready.
    fn wait(&self) -> Result<(PollFlags, bool)> {
        let pending = self.stream.is_pending();
        let (mut client, mut stream) = (PollFlags::empty(), PollFlags::empty());
        client.set(PollFlags::IN, self.input && !pending && !self.is_over);
        client.set(PollFlags::OUT, !self.waiting.is_empty());
        stream.set(PollFlags::IN, self.has_room());
        stream.set(PollFlags::OUT, pending);
        let mut fds = vec![PollFd::from_borrowed_fd(self.client, client)];
        if !stream.is_empty() {
            fds.push(PollFd::new(&self.stream, stream));
        }
        match poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(Failure::client_gone(errno.into())),
        }
        Ok((fds[0].revents(), fds.get(1).is_some_and(|fd| !fd.revents().is_empty())))
    }

    fn has_room(&self) -> bool {
        !self.is_over && self.waiting.len() - self.sent < WAITING
    }

    /// Takes what the program has written, as long as there is room for it.
    fn take_output(&mut self) {
        while self.has_room() {
            match self.stream.receive(&mut self.received) {
                Ok(Some(AttachEvent::Output { stream, bytes })) => {
                    if self.plan.output[usize::from(stream == Stream::Stderr)] {
                        self.plan.framing.encode(stream, bytes, &mut self.waiting);
                    }
                }
                Ok(Some(AttachEvent::Uncleaned(_))) => {}
                Ok(None) => return,
                // The run has ended, its monitor was killed, or the container was removed before it started.
                Ok(Some(AttachEvent::Exited(_))) | Err(_) => self.end(),
            }
        }
    }

    /// Nothing follows. A client by websocket is told, because the end of the connection alone is a failure to it.
    fn end(&mut self) {
        if matches!(self.plan.framing, Framing::WebSocket { .. }) {
            encode_close(&mut self.waiting);
        }
        self.is_over = true;
    }

    /// Sends what waits, as far as the client takes it.
    fn send(&mut self) -> Result<()> {
        while self.sent < self.waiting.len() {
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            match rustix::net::send(self.client, &self.waiting[self.sent..], flags) {
                Ok(length) => self.sent += length,
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Failure::client_gone(errno.into())),
            }
        }
        if self.sent == self.waiting.len() {
            self.waiting.clear();
            self.sent = 0;
        } else if self.sent > WAITING {
            self.waiting.drain(..self.sent);
            self.sent = 0;
        }
        Ok(())
    }

    /// Takes what the client has sent.
    fn receive(&mut self) -> Result<()> {
        let mut bytes = vec![0; AttachStream::MAX_INPUT];
        match rustix::net::recv(self.client, &mut bytes[..], RecvFlags::DONTWAIT) {
            Ok((0, _)) => self.end_input(),
            Ok((length, _)) => self.take_input(&bytes[..length]),
            Err(Errno::AGAIN | Errno::INTR) => Ok(()),
            Err(errno) => Err(Failure::client_gone(errno.into())),
        }
    }

    fn take_input(&mut self, bytes: &[u8]) -> Result<()> {
        let Framing::WebSocket { decoder, .. } = &mut self.plan.framing else { return self.feed(bytes) };
        let mut inputs = Vec::new();
        if decoder.feed(bytes, &mut inputs).is_err() {
            // RFC 6455, section 7.1.7: the connection fails.
            self.is_over = true;
        }
        for input in inputs {
            match input {
                Input::Data(bytes) => self.feed(&bytes)?,
                // RFC 6455, section 5.5.3, lets pings go without an answer. A client may send them and read nothing.
                Input::Answer(frame) if self.waiting.len() - self.sent < WAITING => {
                    self.waiting.extend_from_slice(&frame);
                }
                Input::Answer(_) => {}
                Input::Close => self.end_input()?,
            }
        }
        Ok(())
    }

    fn feed(&mut self, bytes: &[u8]) -> Result<()> {
        for part in bytes.chunks(AttachStream::MAX_INPUT) {
            let (data, is_detached) = match self.plan.keys.as_mut().map(|keys| keys.feed(part)) {
                None => (part.to_vec(), false),
                Some(Typed::Forward(data)) => (data, false),
                Some(Typed::Detach(data)) => (data, true),
            };
            if !data.is_empty() {
                self.stream.send(AttachInput::Data(data))?;
            }
            if is_detached {
                self.stream.send(AttachInput::Detach)?;
                self.input = false;
                self.end();
                return Ok(());
            }
        }
        Ok(())
    }

    fn end_input(&mut self) -> Result<()> {
        if !std::mem::take(&mut self.input) {
            return Ok(());
        }
        match self.plan.stdin {
            Some(StdinEnd::Closes) => self.stream.send(AttachInput::CloseInput)?,
            _ => self.is_over = true,
        }
        Ok(())
    }
}
