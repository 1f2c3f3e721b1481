//! TCP and unix connections.

use std::io::ErrorKind;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Builder;
use std::time::Duration;

use super::Listener;
use crate::records::plugged::Address;

/// The highest number of connections that are copied at once. Others wait in the queue of their socket.
const MOST: usize = if cfg!(test) { 32 } else { 1024 };
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

static CONNECTIONS: AtomicUsize = AtomicUsize::new(0);

/// One of the [`MOST`] connections, until it is dropped.
struct Slot;

impl Slot {
    fn take() -> Option<Self> {
        let more = |count: usize| (count < MOST).then_some(count + 1);
        CONNECTIONS.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| Self)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        CONNECTIONS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Accepts one connection, and copies it in a thread of its own. False if this is to be tried again later: there are too
/// many connections, or the process has no descriptor or thread left. A client whose connection cannot be copied sees that
/// it is closed.
pub(super) fn accept(listener: &Listener, target: &Address) -> bool {
    let Some(slot) = Slot::take() else { return false };
    let accepted = match listener {
        Listener::Tcp(socket) => socket.accept().map(|(client, _)| OwnedFd::from(client)),
        Listener::Unix(socket) => socket.accept().map(|(client, _)| OwnedFd::from(client)),
        Listener::Udp(_) => return true,
    };
    let client = match accepted {
        Ok(client) => client,
        // The client may be gone.
        Err(error) => return matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionAborted),
    };
    let target = target.clone();
    let copy = move || {
        // If the target cannot be reached, the client's connection is closed.
        if let Ok(server) = connect(&target) {
            copy_both_ways(&Stream(client), &Stream(server));
        }
        drop(slot);
    };
    Builder::new().spawn(copy).is_ok()
}

fn connect(target: &Address) -> std::io::Result<OwnedFd> {
    Ok(match target {
        Address::Tcp(ip, port) => {
            TcpStream::connect_timeout(&SocketAddr::new(*ip, *port), CONNECT_TIMEOUT)?.into()
        }
        Address::Unix(path) => UnixStream::connect(path)?.into(),
        Address::Abstract(name) => UnixStream::connect_addr(&UnixAddress::from_abstract_name(name)?)?.into(),
        Address::Udp(..) => return Err(ErrorKind::Unsupported.into()),
    })
}

/// A TCP or unix connection. Both are read and written in the same way.
struct Stream(OwnedFd);

impl Stream {
    fn shut_down(&self, how: Shutdown) {
        let how = match how {
            Shutdown::Read => rustix::net::Shutdown::Read,
            Shutdown::Write => rustix::net::Shutdown::Write,
            Shutdown::Both => rustix::net::Shutdown::Both,
        };
        // The other end may be gone already.
        let _ = rustix::net::shutdown(&self.0, how);
    }
}

/// Returns when both sides have finished, or at once if there is no thread for the one direction.
fn copy_both_ways(one: &Stream, other: &Stream) {
    std::thread::scope(|scope| {
        if Builder::new().spawn_scoped(scope, || copy(one, other)).is_ok() {
            copy(other, one);
        }
    });
}

fn copy(from: &Stream, to: &Stream) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match rustix::io::read(&from.0, &mut buffer) {
            // A peer that has finished sending may still receive.
            Ok(0) => return to.shut_down(Shutdown::Write),
            Ok(length) => {
                if write_all(&to.0, &buffer[..length]).is_err() {
                    return from.shut_down(Shutdown::Read);
                }
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => {
                from.shut_down(Shutdown::Both);
                return to.shut_down(Shutdown::Both);
            }
        }
    }
}

fn write_all(to: &OwnedFd, mut data: &[u8]) -> rustix::io::Result<()> {
    while !data.is_empty() {
        // NOSIGNAL: a closed connection is an error of this call. SIGPIPE would end the whole process.
        match rustix::net::send(to, data, rustix::net::SendFlags::NOSIGNAL) {
            Ok(written) => data = &data[written..],
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_connection_gives_its_slot_back_whatever_becomes_of_it() {
        let listening = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listening.local_addr().unwrap();
        let listener = Listener::Tcp(listening);
        // Nothing listens at a port that was just closed.
        let closed = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
        let nowhere = Address::Tcp(closed.ip(), closed.port());
        for _ in 0..4 * MOST {
            let client = TcpStream::connect(address).unwrap();
            let deadline = Instant::now() + Duration::from_secs(20);
            while !accept(&listener, &nowhere) {
                assert!(Instant::now() < deadline, "no slot came back");
                std::thread::sleep(Duration::from_millis(1));
            }
            drop(client);
        }
        listener.set_nonblocking().unwrap();
        assert!(accept(&listener, &nowhere), "no client is no reason to pause");
        let deadline = Instant::now() + Duration::from_secs(20);
        while CONNECTIONS.load(Ordering::Relaxed) > 0 {
            assert!(Instant::now() < deadline, "not all slots came back");
            std::thread::sleep(Duration::from_millis(1));
        }
        let taken: Vec<Slot> = std::iter::from_fn(Slot::take).collect();
        assert!(taken.len() == MOST && !accept(&listener, &nowhere), "all are taken");
    }
}
