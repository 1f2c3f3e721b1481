//! A worker: one connection, from its first request to its last.

use std::io;
use std::os::fd::OwnedFd;

use hull_sys::process::{default_signals, set_parent_death_signal};
use nix::sys::signal::SigSet;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::SocketFlags;

use super::Listener;
use super::status::Writer;
use crate::api::Api;
use crate::http::{Connection, Exchange, Head};
use crate::routes;

pub(super) struct Worker<'a> {
    pub api: &'a Api,
    pub listeners: Vec<Listener>,
    pub status: &'a Writer,
    /// The pid of the parent.
    pub parent: u32,
}

impl Worker<'_> {
    /// Waits for a connection and serves it. Returns when it is closed. The process ends if the parent does so first.
    pub fn run(mut self) -> io::Result<()> {
        default_signals()?;
        SigSet::all().thread_unblock()?;
        set_parent_death_signal(nix::libc::SIGTERM)?;
        if std::os::unix::process::parent_id() != self.parent {
            return Ok(());
        }
        let socket = self.accept()?;
        // A connection outlives the parent.
        set_parent_death_signal(0)?;
        // A listener that is open here would keep its address from the next server.
        self.listeners.clear();
        self.status.say_busy();
        serve(self.api, &mut Connection::new(socket));
        Ok(())
    }

    /// The next connection to any of the listeners. They do not block, because another worker may be faster.
    fn accept(&self) -> io::Result<OwnedFd> {
        loop {
            let mut fds: Vec<_> =
                self.listeners.iter().map(|listener| PollFd::new(&listener.socket, PollFlags::IN)).collect();
            match poll(&mut fds, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            for listener in &self.listeners {
                match rustix::net::accept_with(&listener.socket, SocketFlags::CLOEXEC) {
                    Ok(socket) => return Ok(socket),
                    Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => {}
                    Err(errno) => return Err(errno.into()),
                }
            }
        }
    }
}

/// Serves the requests of a connection in turn.
fn serve(api: &Api, connection: &mut Connection) {
    loop {
        let head = match Head::read(connection) {
            Ok(Some(head)) => head,
            Ok(None) => return,
            Err(failure) => return crate::http::refuse(connection, &failure),
        };
        let mut exchange = Exchange::new(connection, head);
        let outcome = exchange.set_version().and_then(|()| routes::dispatch(api, &mut exchange));
        let keeps = exchange.conclude(outcome);
        (api.after_request)(&api.engine);
        reap();
        if !keeps {
            return;
        }
    }
}

/// Reaps the monitors of containers that this process has started and that have ended. Between two requests it has no other
/// children that somebody waits for.
fn reap() {
    while let Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) =
        waitpid(None, Some(WaitPidFlag::WNOHANG))
    {}
}
