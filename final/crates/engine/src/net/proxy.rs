//! Connections to a published port that no nftables rule can forward: those to `::1`, which the kernel accepts only
//! from `lo`, and those over IPv6 to a container that has no IPv6 address.
//!
//! The monitor listens for them, and forks a process for each connection that copies it to the container. (docker runs
//! a process for each port, from the start.)

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

/// How many connections are copied at once. More wait in the kernel's queue.
const AT_ONCE: usize = 128;

/// How long connecting to the container may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The processes that copy, by descriptor.
#[derive(Default)]
pub(super) struct Proxies(Vec<OwnedFd>);

impl Proxies {
    /// What to poll: the listening sockets, and the processes that may end.
    pub(super) fn descriptors<'a>(
        &'a self,
        held: &'a [ReservedPort],
    ) -> impl Iterator<Item = (BorrowedFd<'a>, PollFlags)> {
        let has_room = self.0.len() < AT_ONCE;
        let listeners = held.iter().filter_map(move |held| held.listener().filter(|_| has_room));
        listeners.chain(self.0.iter().map(AsFd::as_fd)).map(|fd| (fd, PollFlags::IN))
    }

    /// Reaps the processes that have ended, and forks one for each new connection.
    pub(super) fn serve(&mut self, held: &[ReservedPort], endpoints: impl FnOnce() -> Vec<Endpoint>) {
        self.0.retain(|relay| {
            let ended = hull_sys::wait::until_readable(relay.as_fd(), Some(Duration::ZERO)) == Ok(true);
            !(ended && process::reap(relay.as_fd()).is_ok())
        });
        let accept = |held: &ReservedPort| {
            let connection = accept_with(held.listener()?, SocketFlags::CLOEXEC).ok()?;
            Some((connection, held.container.number))
        };
        let come: Vec<_> = held.iter().filter_map(accept).collect();
        if come.is_empty() {
            return;
        }
        let endpoints = endpoints();
        let inward = |endpoint: &&Endpoint| endpoint.network.has_ingress();
        let address = endpoints.iter().filter(inward).flat_map(|endpoint| &endpoint.addresses).min();
        for (connection, port) in come {
            // Without an address to connect to, the connection is closed.
            let Some(address) = address else { continue };
            self.begin(connection, SocketAddr::new(*address, port));
        }
    }

    fn begin(&mut self, connection: OwnedFd, target: SocketAddr) {
        match process::fork() {
            Ok(Fork::Child) => relay(connection, target),
            Ok(Fork::Parent { pid }) => self.0.extend(process::pidfd_open(pid)),
            // The peer sees a connection that is closed, and can try again.
            Err(_) => {}
        }
    }

    /// Kills all of them, because the container has ended.
    pub(super) fn end(&mut self) {
        for relay in self.0.drain(..) {
            let _ = process::pidfd_send_signal(relay.as_fd(), SIGKILL);
            let _ = process::reap(relay.as_fd());
        }
    }
}

/// In the forked process: copies the connection until both sides are done.
fn relay(connection: OwnedFd, target: SocketAddr) -> ! {
    let ready = process::set_parent_death_signal(SIGKILL)
        // The monitor's locks and pipes are not ours to keep.
        .and_then(|()| process::close_all_but(3, &[connection.as_fd()]))
        .and_then(|()| process::default_signals());
    if ready.is_ok() {
        let outer = TcpStream::from(connection);
        if let Ok(inner) = TcpStream::connect_timeout(&target, TIMEOUT) {
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
        scope.spawn(|| copy(one, other));
        copy(other, one);
    });
}
