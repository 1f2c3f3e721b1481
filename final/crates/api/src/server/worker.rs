//! A worker: one connection, from its first request to its last.

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use hull_sys::process::{default_signals, set_parent_death_signal};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::io::Errno;
use rustix::net::SocketFlags;
use rustix::process::WaitOptions;

use super::Server;
use super::log::{Entry, Log};
use super::peer::{Access, Peer};
use super::status::Writer;
use super::tls::{self, Tls};
use crate::api::Api;
use crate::failure::Failure;
use crate::http::{Connection, Exchange, Head};
use crate::routes;

/// How long a worker waits when there are too few descriptors or too little memory to accept a connection.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Worker<'a> {
    pub server: &'a mut Server,
    pub status: &'a Writer,
    /// The pid of the parent.
    pub parent: u32,
}

/// A connection, which processes it serves, and TLS if it is one by TCP.
type Accepted = (OwnedFd, Access, Option<Tls>);

impl Worker<'_> {
    /// Waits for a connection and serves it. Returns when it is closed. The process ends if the parent does so first.
    pub fn run(self) -> io::Result<()> {
        self.rehearse();
        let (mut socket, access, tls) = self.accept()?;
        // A listener that is open here would keep its address from the next server.
        self.server.listeners.clear();
        let peer = match tls {
            None => Peer::of(&socket)?,
            Some(tls) => {
                let address = rustix::net::getpeername(&socket)?.and_then(|address| address.try_into().ok());
                socket = tls::unwrap(&tls, socket)?;
                Peer { address, ..Peer::default() }
            }
        };
        let mut connection = Connection::new(socket);
        let Server { api, log, .. } = self.server;
        Session { api, log: log.as_ref(), access, peer }.serve(&mut connection);
        Ok(())
    }

    /// Serves a request of its own, so that the first client does not wait until the pages of the program are mapped.
    fn rehearse(&self) {
        let Ok((client, own)) = UnixStream::pair() else { return };
        if (&client).write_all(b"HEAD /_ping HTTP/1.1\r\nHost: hull\r\nConnection: close\r\n\r\n").is_ok() {
            // A failure would be that of a client, too, which is told of it.
            let _ = Head::read(&mut Connection::new(own.into()));
        }
    }

    /// The next connection to any of the listeners, and which processes that one serves.
    fn accept(&self) -> io::Result<Accepted> {
        default_signals()?;
        // The parent's end is noticed only while the worker waits: SIGTERM stays blocked from accept(2) on, until the worker
        // has left the parent, so a connection that was accepted is served.
        let end = SigSet::from(Signal::SIGTERM);
        end.thread_set_mask()?;
        set_parent_death_signal(nix::libc::SIGTERM)?;
        if std::os::unix::process::parent_id() != self.parent {
            return Err(Errno::SRCH.into());
        }
        // Ctrl-C is for the parent. An open connection goes on.
        let _ = nix::unistd::setsid();
        let accepted = self.wait_for_connection()?;
        set_parent_death_signal(0)?;
        self.status.say_busy();
        // Takes a SIGTERM that came in between.
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let _ = SignalFd::with_flags(&end, flags)?.read_signal();
        SigSet::empty().thread_set_mask()?;
        Ok(accepted)
    }

    /// The listeners do not block, because another worker may be faster.
    fn wait_for_connection(&self) -> io::Result<Accepted> {
        let listeners = &self.server.listeners;
        let sockets = listeners.iter().map(|listener| listener.socket.as_fd());
        let mut fds: Vec<_> = sockets.map(|socket| PollFd::new(socket, PollFlags::POLLIN)).collect();
        loop {
            match ppoll(&mut fds, None, Some(SigSet::empty())) {
                Ok(_) | Err(nix::Error::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            for listener in listeners {
                match rustix::net::accept_with(&listener.socket, SocketFlags::CLOEXEC) {
                    Ok(socket) => return Ok((socket, listener.access.clone(), listener.tls.clone())),
                    Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => {}
                    Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                        std::thread::sleep(PAUSE);
                    }
                    Err(errno) => return Err(errno.into()),
                }
            }
        }
    }
}

/// See [`super::serve_connection`].
pub(super) fn serve_connection(api: &Api, socket: OwnedFd) -> io::Result<()> {
    let access = Access { users: vec![rustix::process::geteuid().as_raw()], ..Access::default() };
    let peer = Peer::of(&socket)?;
    Session { api, log: None, access, peer }.serve(&mut Connection::new(socket));
    Ok(())
}

/// A connection, and the process at its other end.
struct Session<'a> {
    api: &'a Api,
    log: Option<&'a Log>,
    access: Access,
    peer: Peer,
}

impl Session<'_> {
    /// Serves the requests of a connection in turn.
    fn serve(&self, connection: &mut Connection) {
        let is_served = self.access.admits(&self.peer);
        loop {
            let head = match Head::read(connection) {
                Ok(Some(head)) => head,
                Ok(None) => return,
                Err(failure) => return crate::http::refuse(connection, &failure),
            };
            if !is_served {
                let failure = Failure::new(403, self.peer.refusal(&self.access));
                crate::http::refuse(connection, &failure);
                return self.note(Some(Entry::of_any(&head)), failure.status);
            }
            let entry = Entry::of(&head);
            let mut exchange = Exchange::new(connection, head);
            let outcome = routes::dispatch(self.api, &mut exchange);
            let keeps = exchange.conclude(outcome);
            self.note(entry, exchange.status().unwrap_or_default());
            (self.api.after_request)(&self.api.engine);
            reap();
            if !keeps {
                return;
            }
        }
    }

    fn note(&self, entry: Option<Entry>, status: u16) {
        if let (Some(log), Some(entry)) = (self.log, entry) {
            log.write(&entry, &self.peer, status);
        }
    }
}

/// Reaps the monitors of containers that this process has started and that have ended. Between two requests it has no other
/// children that somebody waits for.
fn reap() {
    while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {}
}
