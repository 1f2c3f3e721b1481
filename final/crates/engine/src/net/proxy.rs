//! Connections to a published port that no nftables rule can forward: those to `::1`, which the kernel accepts only
//! from `lo`, and those over IPv6 to a container that has no IPv6 address.
//!
//! The monitor listens for them, and forks a process for each connection that copies it to the container. (docker's
//! userland proxy is a process for each port, from the start.)

use std::io::ErrorKind;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use hull_network::ports::ReservedPort;
use hull_sys::process::{self, Fork};
use nix::libc::SIGKILL;
use rustix::event::PollFlags;
use rustix::net::{SocketFlags, accept_with};

use super::endpoint::Endpoint;

/// The number of connections that are copied at once. Others wait in the listening socket's queue.
const MAX_CONNECTIONS: usize = 128;

/// The time limit for connecting to the container.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The processes that copy connections, as pidfds.
#[derive(Default)]
pub(super) struct Proxies(Vec<OwnedFd>);

impl Proxies {
    /// The descriptors to poll: the listening sockets, unless the limit is reached, and the processes.
    pub(super) fn descriptors<'a>(
        &'a self,
        reserved: &'a [ReservedPort],
    ) -> impl Iterator<Item = (BorrowedFd<'a>, PollFlags)> {
        let has_room = self.0.len() < MAX_CONNECTIONS;
        let listeners = reserved.iter().filter_map(move |port| port.listener().filter(|_| has_room));
        listeners.chain(self.0.iter().map(AsFd::as_fd)).map(|fd| (fd, PollFlags::IN))
    }

    /// Reaps the processes that have ended, and forks one for each new connection.
    pub(super) fn serve(&mut self, reserved: &[ReservedPort], endpoints: impl FnOnce() -> Vec<Endpoint>) {
        self.0.retain(|proxy| {
            let ended = hull_sys::wait::until_readable(proxy.as_fd(), Some(Duration::ZERO)) == Ok(true);
            !(ended && process::reap(proxy.as_fd()).is_ok())
        });
        let accept = |port: &ReservedPort| {
            let connection = accept_with(port.listener()?, SocketFlags::CLOEXEC).ok()?;
            Some((connection, port.container.number))
        };
        let accepted: Vec<_> = reserved.iter().filter_map(accept).collect();
        if accepted.is_empty() {
            return;
        }
        let endpoints = endpoints();
        let can_publish = |endpoint: &&Endpoint| endpoint.network.can_publish();
        let address = endpoints.iter().filter(can_publish).flat_map(|endpoint| &endpoint.addresses).min();
        for (connection, port) in accepted {
            // Without an address to connect to, the connection is closed.
            let Some(address) = address else { continue };
            self.start(connection, SocketAddr::new(*address, port));
        }
    }

    fn start(&mut self, connection: OwnedFd, target: SocketAddr) {
        match process::fork() {
            Ok(Fork::Child) => copy_and_exit(connection, target),
            Ok(Fork::Parent { pid }) => self.0.extend(process::pidfd_open(pid)),
            // The client sees that the connection is closed, and can try again.
            Err(_) => {}
        }
    }

    /// Kills all proxies, when the container has ended.
    pub(super) fn end(&mut self) {
        for proxy in self.0.drain(..) {
            // It may have ended by itself. A proxy that could not be killed dies with its parent, the monitor.
            let _ = process::pidfd_send_signal(proxy.as_fd(), SIGKILL);
            let _ = process::reap(proxy.as_fd());
        }
    }
}

/// Runs in the forked process: copies the connection until both sides have finished.
fn copy_and_exit(connection: OwnedFd, target: SocketAddr) -> ! {
    let ready = process::set_parent_death_signal(SIGKILL)
        // An inherited descriptor would keep the monitor's locks and pipes.
        .and_then(|()| process::close_all_but(3, &[connection.as_fd()]))
        .and_then(|()| process::default_signals());
    if ready.is_ok() {
        let outer = TcpStream::from(connection);
        if let Ok(inner) = TcpStream::connect_timeout(&target, CONNECT_TIMEOUT) {
            copy_both_ways(&outer, &inner);
        }
    }
    process::exit_now(0)
}

fn copy_both_ways(one: &TcpStream, other: &TcpStream) {
    let copy = |mut from: &TcpStream, mut to: &TcpStream| {
        match std::io::copy(&mut from, &mut to) {
            // A peer that has finished sending may still receive.
            Ok(_) => drop(to.shutdown(Shutdown::Write)),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => drop(from.shutdown(Shutdown::Read)),
            Err(_) => drop((from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both))),
        }
    };
    std::thread::scope(|scope| {
        // Without a thread for one direction the connection is closed.
        if std::thread::Builder::new().spawn_scoped(scope, || copy(one, other)).is_ok() {
            copy(other, one);
        }
    });
}
