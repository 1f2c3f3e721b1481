//! Attached commands. Each has a queue; while one is full the container's output is left in its pipe, so nothing
//! is lost and nothing grows: a slow reader slows the container, as a pipe would.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::Errno;

use crate::attach::{Connection, Message};

/// Messages that may wait for one client.
const QUEUE: usize = 8;

/// A message that outlives the buffer it was read into.
#[derive(Debug, Clone)]
pub(super) enum Queued {
    Stdout(Vec<u8>),
    Stderr(Vec<u8>),
    Exited(u8),
}

impl Queued {
    fn message(&self) -> Message<'_> {
        match self {
            Self::Stdout(data) => Message::Stdout(data),
            Self::Stderr(data) => Message::Stderr(data),
            Self::Exited(code) => Message::Exited(*code),
        }
    }
}

#[derive(Debug)]
pub(super) struct Client {
    pub connection: Connection,
    /// Until it asks for output a client is only there to say something, as `stop` does.
    pub subscribed: bool,
    /// The command that started the container: its stdin ends with it unless it detached (`StdinOnce`).
    pub starter: bool,
    queue: VecDeque<Queued>,
    gone: bool,
}

impl Client {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, subscribed: false, starter: false, queue: VecDeque::new(), gone: false }
    }

    pub(super) fn starter(connection: Connection) -> Self {
        Self { subscribed: true, starter: true, ..Self::new(connection) }
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    pub(super) fn mark_gone(&mut self) {
        self.gone = true;
    }

    /// Sends what waits, as far as the client takes it.
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

#[derive(Debug, Default)]
pub(super) struct Clients(Vec<Client>);

impl Clients {
    pub(super) fn add(&mut self, client: Client) {
        self.0.push(client);
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Client> {
        self.0.iter()
    }

    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut Client> {
        self.0.get_mut(index)
    }

    /// True when every subscriber can take one more message.
    pub(super) fn have_room(&self) -> bool {
        self.0.iter().all(|client| client.queue.len() < QUEUE)
    }

    pub(super) fn broadcast(&mut self, message: &Queued) {
        for client in self.0.iter_mut().filter(|client| client.subscribed) {
            client.queue.push_back(message.clone());
            client.flush();
        }
    }

    /// Forgets who has gone; true when the starter was among them.
    pub(super) fn sweep(&mut self) -> bool {
        let starter_left = self.0.iter().any(|client| client.gone && client.starter);
        self.0.retain(|client| !client.gone);
        starter_left
    }

    /// Says goodbye, waiting a bounded time for slow readers to take the last output.
    pub(super) fn finish(&mut self, code: u8) {
        self.broadcast(&Queued::Exited(code));
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while self.0.iter().any(|client| client.has_waiting() && !client.gone) {
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                return;
            }
            let mut fds: Vec<_> = self
                .0
                .iter()
                .filter(|client| client.has_waiting() && !client.gone)
                .map(|client| rustix::event::PollFd::new(client, rustix::event::PollFlags::OUT))
                .collect();
            let _ = rustix::event::poll(&mut fds, left.try_into().ok().as_ref());
            drop(fds);
            self.0.iter_mut().for_each(Client::flush);
        }
    }
}
