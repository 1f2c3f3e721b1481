//! The clients of a monitor: attached commands, and commands that send a request. Each has a queue of messages. While
//! any queue is full, the monitor leaves the container's output in its pipe. No output is lost and memory does not
//! grow: a slow reader slows the container down, as a pipe would.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use hull_sys::process::{self, Fork};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::attach::registration::Wanted;
use crate::attach::{Connection, LogEnd, Message};

/// How many messages may wait for one client.
const QUEUE: usize = 8;

/// How long a container's end waits for its clients to read the last output.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A message that outlives the buffer it was read into.
#[derive(Debug, Clone)]
pub(super) enum Queued {
    LogEnd(LogEnd),
    Stdout(Vec<u8>),
    Stderr(Vec<u8>),
    Exited(u8),
    Uncleaned(String),
}

impl Queued {
    fn is_empty(&self) -> bool {
        matches!(self, Self::Stdout(data) | Self::Stderr(data) if data.is_empty())
    }

    fn message(&self) -> Message<'_> {
        match self {
            Self::LogEnd(end) => Message::LogEnd(*end),
            Self::Stdout(data) => Message::Stdout(data),
            Self::Stderr(data) => Message::Stderr(data),
            Self::Exited(code) => Message::Exited(*code),
            Self::Uncleaned(report) => Message::Uncleaned(report),
        }
    }
}

#[derive(Debug)]
pub(super) struct Client {
    pub connection: Connection,
    /// It has asked for output. Other clients send a request, as `stop` does, or wait for the exit.
    pub subscribed: bool,
    /// It has sent stdin. It is not read while the container reads no stdin; other clients are always read.
    pub feeds: bool,
    /// It is notified when the current run ends, even if another run follows.
    pub waits: bool,
    /// The command that started the container. Its stdin ends with it unless it detached (`StdinOnce`).
    pub starter: bool,
    /// Another client with which stdin ends in the same way.
    pub owns_stdin: bool,
    /// The container is frozen on its behalf.
    pub freezes: bool,
    /// It is notified when a health check has ended.
    pub checks: bool,
    queue: VecDeque<Queued>,
    gone: bool,
}

impl Client {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            connection,
            subscribed: false,
            waits: false,
            feeds: false,
            starter: false,
            owns_stdin: false,
            freezes: false,
            checks: false,
            queue: VecDeque::new(),
            gone: false,
        }
    }

    pub(super) fn starter(connection: Connection) -> Self {
        Self { subscribed: true, starter: true, ..Self::new(connection) }
    }

    /// A process that has asked for this connection before the start.
    pub(super) fn registered(wanted: Wanted, connection: Connection) -> Self {
        Self { subscribed: wanted == Wanted::Output, waits: true, ..Self::new(connection) }
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Sends where the log ends, and the line of each stream that has begun after it.
    pub(super) fn begin(&mut self, log: LogEnd, [stdout, stderr]: [Vec<u8>; 2]) {
        self.queue.push_back(Queued::LogEnd(log));
        let lines = [Queued::Stdout(stdout), Queued::Stderr(stderr)];
        self.queue.extend(lines.into_iter().filter(|line| !line.is_empty()));
        self.flush();
    }

    pub(super) fn mark_gone(&mut self) {
        self.gone = true;
    }

    /// Sends what is queued, as far as the client takes it.
    pub(super) fn flush(&mut self) {
        while let Some(next) = self.queue.front() {
            match self.connection.try_send(&next.message()) {
                Ok(()) => drop(self.queue.pop_front()),
                Err(Errno::AGAIN) => return,
                Err(_) => {
                    self.gone = true;
                    return;
                }
            }
        }
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }
}

/// Which roles the disconnected clients had.
#[derive(Debug, Clone, Copy)]
pub(super) struct Left {
    pub starter: bool,
    /// stdin ends with one of them, if it ends with a client.
    pub stdin: bool,
    /// The container was frozen on behalf of one of them.
    pub freezer: bool,
}

#[derive(Debug, Default)]
pub(super) struct Clients {
    all: Vec<Client>,
}

impl Clients {
    pub(super) fn add(&mut self, client: Client) {
        self.all.push(client);
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Client> {
        self.all.iter()
    }

    pub(super) fn iter_mut(&mut self) -> std::slice::IterMut<'_, Client> {
        self.all.iter_mut()
    }

    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut Client> {
        self.all.get_mut(index)
    }

    /// True when every subscriber can take one more message.
    pub(super) fn have_room(&self) -> bool {
        self.all.iter().all(|client| client.queue.len() < QUEUE)
    }

    pub(super) fn broadcast(&mut self, message: &Queued) {
        for client in self.all.iter_mut().filter(|client| client.subscribed) {
            client.queue.push_back(message.clone());
            client.flush();
        }
    }

    /// Removes the clients that have disconnected.
    pub(super) fn remove_gone(&mut self) -> Left {
        let gone = |what: fn(&Client) -> bool| self.all.iter().any(|client| client.gone && what(client));
        let left = Left {
            starter: gone(|client| client.starter),
            stdin: gone(|client| client.starter || client.owns_stdin),
            freezer: gone(|client| client.freezes),
        };
        self.all.retain(|client| !client.gone);
        left
    }

    /// Whether the container is frozen on behalf of a client.
    pub(super) fn has_freezer(&self) -> bool {
        self.all.iter().any(|client| client.freezes)
    }

    /// No client keeps the container frozen any more.
    pub(super) fn forget_freezers(&mut self) {
        self.all.iter_mut().for_each(|client| client.freezes = false);
    }

    /// Sends the exit code to all clients, after the output that is queued for them.
    ///
    /// A slow client gets the rest from a forked process: a user at a pager loses nothing, and a command that waits for
    /// the container's end does not wait for another command that is stopped.
    pub(super) fn finish(&mut self, code: u8) {
        self.say_exited(code);
        if !self.flush_until(Some(Instant::now() + TIMEOUT))
            && let Ok(Fork::Child) = process::fork()
        {
            self.flush_until(None);
            process::exit_now(0);
        }
    }

    /// A run has ended and another one follows.
    pub(super) fn say_run_ended(&mut self, code: u8) {
        for client in self.all.iter_mut().filter(|client| client.waits) {
            client.queue.push_back(Queued::Exited(code));
            client.flush();
        }
    }

    pub(super) fn say_exited(&mut self, code: u8) {
        for client in &mut self.all {
            client.queue.push_back(Queued::Exited(code));
            client.flush();
        }
    }

    /// Sends what is queued; false if the deadline passed before all of it was taken.
    pub(super) fn flush_until(&mut self, deadline: Option<Instant>) -> bool {
        loop {
            let waiting = self.all.iter().filter(|client| client.has_waiting() && !client.gone);
            let mut fds: Vec<_> = waiting.map(|client| PollFd::new(client, PollFlags::OUT)).collect();
            if fds.is_empty() {
                return true;
            }
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return false;
            }
            // If this fails, the attempt to send below finds out why.
            let _ = poll(&mut fds, left.and_then(|left| left.try_into().ok()).as_ref());
            drop(fds);
            self.all.iter_mut().for_each(Client::flush);
        }
    }
}
