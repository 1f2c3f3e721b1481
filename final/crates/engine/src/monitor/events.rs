//! The poll loop of one run: from the moment the program runs to its exit.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::clients::{Client, Clients, Queued};
use super::log::Log;
use super::stdio::{Read, Streams};
use crate::attach::{Connection, Listener, MAX_PAYLOAD, Message};
use crate::logs::layout::Stream;
use crate::net::Attachment;

/// When to try again what no descriptor announces.
const RETRY: Duration = Duration::from_millis(250);

/// The most that is read after the end: twice what a pipe can hold (pipe(7), pipe-max-size).
const LAST_OUTPUT: usize = 2 << 20;

/// A program that has ended by then is not made to wait for what only saves memory.
const SHORT: Duration = Duration::from_secs(1);

/// What the loop works on. It borrows: the monitor owns, and goes on with it after the run.
pub(super) struct EventLoop<'a> {
    /// An `exec` session has none: only the command that began it is attached.
    pub listener: Option<&'a Listener>,
    pub clients: &'a mut Clients,
    pub log: &'a mut Log,
    pub streams: &'a mut Streams,
    /// Sends a signal to the container's first process.
    pub signal: &'a dyn Fn(u8),
    /// Freezes the container for a client, or thaws it.
    pub freeze: &'a dyn Fn(bool) -> crate::Result<()>,
    /// stdin ends with the command that started the container (docker's `StdinOnce`); a detached container keeps it,
    /// and a terminal is not closed by who leaves it.
    pub stdin_once: bool,
    pub stop: &'a mut Option<Stop>,
    /// Answers the container's questions for names.
    pub network: &'a mut Attachment,
}

/// The user's wish that the container ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stop {
    /// It is to start again, so `--rm` does not apply.
    pub keep: bool,
    /// Set after a signal that may or may not be meant to end the program: it was meant so if the program ends before
    /// this time.
    until: Option<Instant>,
}

impl Stop {
    pub(super) fn holds(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until)
    }
}

/// How long after a signal an end of the program still counts as caused by it.
const REACTION: Duration = Duration::from_millis(500);

/// Which descriptor woke the loop.
#[derive(Debug, Clone, Copy)]
enum Source {
    Exit,
    Listener,
    Output(Stream),
    Input,
    Client(usize),
    Network,
}

impl EventLoop<'_> {
    /// Returns once `pidfd` says the container's first process is gone and its output has been read.
    pub(super) fn run(&mut self, pidfd: BorrowedFd<'_>) -> Result<(), Errno> {
        let mut buffer = vec![0; MAX_PAYLOAD / 2];
        let mut short = Some(Instant::now() + SHORT);
        let left = |until: Instant| until.saturating_duration_since(Instant::now());
        while !self.turn(Some(pidfd), short.map(left), &mut buffer)? {
            if short.is_some_and(|until| left(until).is_zero()) {
                // From here on it waits, perhaps for weeks.
                hull_sys::memory::give_back();
                short = None;
            }
        }
        self.drain(&mut buffer);
        Ok(())
    }

    /// Serves clients until `timeout` has passed or the user stops the container.
    pub(super) fn idle(&mut self, timeout: Duration) -> Result<(), Errno> {
        let deadline = Instant::now() + timeout;
        let mut buffer = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.stop.is_some_and(|stop| stop.holds()) {
                return Ok(());
            }
            self.turn(None, Some(left), &mut buffer)?;
        }
    }

    /// One wait and what follows from it; true when the container has exited.
    fn turn(
        &mut self,
        pidfd: Option<BorrowedFd<'_>>,
        timeout: Option<Duration>,
        buffer: &mut [u8],
    ) -> Result<bool, Errno> {
        let mut exited = false;
        let sources = self.wait(pidfd, timeout)?;
        self.clients.refused = false;
        if self.streams.is_hung_up() && self.clients.have_room() {
            self.pump(Stream::Stdout, buffer);
        }
        if sources.iter().any(|source| matches!(source, Source::Network))
            || self.network.timeout().is_some_and(|due| due.is_zero())
        {
            self.network.serve();
        }
        for source in sources {
            match source {
                Source::Network => {}
                Source::Exit => exited = true,
                Source::Listener => self.accept(),
                Source::Output(stream) => drop(self.pump(stream, buffer)),
                Source::Input => self.streams.flush_input(),
                Source::Client(index) => self.serve(index),
            }
        }
        let left = self.clients.sweep();
        if left.starter && self.stdin_once {
            self.streams.end_input();
        }
        // A freeze lasts as long as the client's connection, whether the client was killed or is done.
        if left.freezer && !self.clients.has_freezer() {
            let _ = (self.freeze)(false);
        }
        Ok(exited)
    }

    fn wait<'s>(
        &'s self,
        pidfd: Option<BorrowedFd<'s>>,
        timeout: Option<Duration>,
    ) -> Result<Vec<Source>, Errno> {
        let mut fds = Vec::with_capacity(8);
        let mut sources = Vec::with_capacity(8);
        let mut watch = |source, fd: BorrowedFd<'s>, flags| {
            sources.push(source);
            fds.push(PollFd::from_borrowed_fd(fd, flags));
        };
        if let Some(pidfd) = pidfd {
            watch(Source::Exit, pidfd, PollFlags::IN);
        }
        if let Some(listener) = self.listener.filter(|_| !self.clients.refused) {
            watch(Source::Listener, listener.as_fd(), PollFlags::IN);
        }
        // A full queue is backpressure: what the container writes stays in its pipe.
        if self.clients.have_room() {
            for stream in [Stream::Stdout, Stream::Stderr] {
                if let Some(fd) = self.streams.output_to_poll(stream) {
                    watch(Source::Output(stream), fd.as_fd(), PollFlags::IN);
                }
            }
        }
        if let Some((fd, flags)) = self.streams.input_to_poll() {
            watch(Source::Input, fd.as_fd(), flags);
        }
        for (index, client) in self.clients.iter().enumerate() {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, !client.feeds || self.streams.wants_input());
            flags.set(PollFlags::OUT, client.has_waiting());
            watch(Source::Client(index), client.as_fd(), flags);
        }
        for (fd, flags) in self.network.descriptors() {
            watch(Source::Network, fd, flags);
        }
        let retry = (self.clients.refused || self.streams.is_hung_up()).then_some(RETRY);
        let timeout = [timeout, retry, self.network.timeout()].into_iter().flatten().min();
        match poll(&mut fds, timeout.and_then(|timeout| timeout.try_into().ok()).as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(vec![]),
            Err(errno) => return Err(errno),
        }
        let ready = sources.into_iter().zip(&fds).filter(|(_, fd)| !fd.revents().is_empty());
        Ok(ready.map(|(source, _)| source).collect())
    }

    fn accept(&mut self) {
        match self.listener.map(Connection::accept) {
            Some(Ok(connection)) => self.clients.add(Client::new(connection)),
            // It stays in the queue, and poll(2) would say so without end.
            Some(Err(_)) => self.clients.refused = true,
            None => {}
        }
    }

    /// Carries one read of output to the log and the clients; true when there was something.
    fn pump(&mut self, stream: Stream, buffer: &mut [u8]) -> bool {
        match self.streams.read(stream, buffer) {
            Read::Data(length) => {
                let data = &buffer[..length];
                self.log.write(stream, data);
                let message = match stream {
                    Stream::Stdout => Queued::Stdout(data.to_vec()),
                    Stream::Stderr => Queued::Stderr(data.to_vec()),
                };
                self.clients.broadcast(&message);
                true
            }
            Read::Again => false,
            Read::End => {
                self.streams.close_output(stream);
                false
            }
        }
    }

    fn serve(&mut self, index: usize) {
        let Some(client) = self.clients.get_mut(index) else { return };
        client.flush();
        if !is_readable(client.as_fd()) {
            return;
        }
        let mut buffer = Vec::new();
        match client.connection.receive(&mut buffer) {
            Ok(Some(Message::Subscribe)) => client.subscribed = true,
            Ok(Some(Message::Wait)) => client.waits = true,
            Ok(Some(Message::Stdin(data))) => {
                client.feeds = true;
                self.streams.feed(data);
            }
            Ok(Some(Message::StdinEnd)) => {
                if self.stdin_once {
                    self.streams.end_input();
                }
            }
            // An exec is part of its caller's pipeline, where a writer without a reader ends. A container is not.
            Ok(Some(Message::OutputClosed { stderr })) if self.listener.is_none() => {
                self.streams.close_pipe(if stderr { Stream::Stderr } else { Stream::Stdout });
            }
            Ok(Some(Message::Resize { rows, columns })) => self.streams.resize(rows, columns),
            Ok(Some(Message::Signal(number))) => (self.signal)(number),
            Ok(Some(Message::Freeze)) => self.freeze_for(index),
            Ok(Some(Message::Stopping { keep })) => self.stop_for(index, keep),
            Ok(Some(Message::Signalling)) => {
                let until = Some(Instant::now() + REACTION);
                // A definite stop is not replaced by a tentative one.
                if self.stop.is_none_or(|stop| stop.until.is_some()) {
                    *self.stop = Some(Stop { keep: false, until });
                }
                let _ = client.connection.try_send(&Message::Started);
            }
            Ok(Some(Message::Networks)) => {
                // Names that cannot be had are no reason to end.
                let _ = self.network.refresh();
                let _ = client.connection.try_send(&Message::Started);
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => client.mark_gone(),
        }
    }

    /// Freezes the container until the client goes.
    fn freeze_for(&mut self, index: usize) {
        let Some(client) = self.clients.get_mut(index) else { return };
        let _ = match (self.freeze)(true) {
            Ok(()) => {
                client.freezes = true;
                client.connection.try_send(&Message::Started)
            }
            Err(error) => {
                let failed = Message::Failed { code: error.exit_code(), text: &error.to_wire() };
                client.connection.try_send(&failed)
            }
        };
    }

    /// No run follows this one any more. The answer tells the client that no restart can come before its signal.
    fn stop_for(&mut self, index: usize, keep: bool) {
        *self.stop = Some(Stop { keep, until: None });
        // On cgroup v1 a frozen process does not even take SIGKILL.
        let thawed = self.clients.has_freezer();
        self.clients.forget_freezers();
        if thawed {
            let _ = (self.freeze)(false);
        }
        if let Some(client) = self.clients.get_mut(index) {
            let _ = client.connection.try_send(&Message::Started);
        }
    }

    /// What the container wrote before it died is still in its pipes. That much the clients' queues may hold too, so
    /// no client is waited for. A bound, because somebody else may have the other end and go on writing.
    fn drain(&mut self, buffer: &mut [u8]) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            for _ in 0..LAST_OUTPUT / buffer.len() {
                if !self.pump(stream, buffer) {
                    break;
                }
            }
        }
    }
}

fn is_readable(fd: BorrowedFd<'_>) -> bool {
    hull_sys::wait::until_readable(fd, Some(Duration::ZERO)) == Ok(true)
}
