//! UDP: the packets of each client are sent to the target from a socket for this client, and the answers back.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use super::Listener;
use crate::records::plugged::Address;

/// The highest number of clients of all listening sockets together. Packets of others are dropped.
const MOST: usize = if cfg!(test) { 32 } else { 1024 };
/// How long a client is remembered after the last answer to it.
pub(super) const CLIENT_TIMEOUT: Duration = Duration::from_secs(120);
/// The highest number of packets that are read from one socket before the others are looked at.
const TURN: usize = 64;
const LONGEST: usize = 64 << 10;

/// The index of the listening socket, and the address from which it got packets.
pub(super) type Client = (usize, SocketAddr);

#[derive(Default)]
pub(super) struct Clients {
    all: HashMap<Client, Server>,
    buffer: Vec<u8>,
}

/// The socket that stands for a client at the target.
struct Server {
    socket: UdpSocket,
    answered: Instant,
}

impl Clients {
    pub(super) fn sockets(&self) -> impl Iterator<Item = (Client, BorrowedFd<'_>)> {
        self.all.iter().map(|(client, server)| (*client, server.socket.as_fd()))
    }

    /// Sends what has come in at a listening socket. Errors are ignored, as UDP may lose packets.
    pub(super) fn forward(&mut self, listener: usize, socket: &UdpSocket, target: SocketAddr) {
        self.buffer.resize(LONGEST, 0);
        for _ in 0..TURN {
            let (length, address) = match socket.recv_from(&mut self.buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => continue,
            };
            let client = (listener, address);
            if !self.all.contains_key(&client) {
                let Some(server) = self.open(target) else { continue };
                self.all.insert(client, server);
            }
            if let Some(server) = self.all.get(&client) {
                let _ = server.socket.send(&self.buffer[..length]);
            }
        }
    }

    /// `None` if there are too many clients, or no descriptor is left.
    fn open(&self, target: SocketAddr) -> Option<Server> {
        if self.all.len() >= MOST {
            return None;
        }
        let any: SocketAddr =
            if target.is_ipv6() { ([0_u16; 8], 0).into() } else { ([0, 0, 0, 0], 0).into() };
        let socket = UdpSocket::bind(any).ok()?;
        socket.connect(target).ok()?;
        socket.set_nonblocking(true).ok()?;
        Some(Server { socket, answered: Instant::now() })
    }

    pub(super) fn send_answers(&mut self, listeners: &[(Listener, Address)], ready: &[Client]) {
        self.buffer.resize(LONGEST, 0);
        for client in ready {
            let Some((Listener::Udp(socket), _)) = listeners.get(client.0) else { continue };
            let Some(server) = self.all.get_mut(client) else { continue };
            for _ in 0..TURN {
                match server.socket.recv(&mut self.buffer) {
                    Ok(length) => {
                        server.answered = Instant::now();
                        let _ = socket.send_to(&self.buffer[..length], client.1);
                    }
                    // Nothing listened at the target when the packet arrived. Something may listen later.
                    Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                    Err(_) => break,
                }
            }
        }
    }

    pub(super) fn forget_idle(&mut self) {
        self.all.retain(|_, server| server.answered.elapsed() < CLIENT_TIMEOUT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clients_of_all_sockets_are_bounded_together() {
        let target = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        let bound = || UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        let mut clients = Clients::default();
        let mut senders = Vec::new();
        for index in 0..4 {
            let listener = bound();
            listener.set_nonblocking(true).unwrap();
            for _ in 0..MOST / 2 {
                senders.push(bound());
                senders.last().unwrap().send_to(b"x", listener.local_addr().unwrap()).unwrap();
            }
            while senders.len() > clients.all.len() && clients.all.len() < MOST {
                clients.forward(index, &listener, target.local_addr().unwrap());
            }
            clients.forward(index, &listener, target.local_addr().unwrap());
        }
        assert_eq!((clients.all.len(), senders.len()), (MOST, 2 * MOST));
        clients.all.values_mut().for_each(|server| server.answered -= CLIENT_TIMEOUT);
        clients.forget_idle();
        assert!(clients.all.is_empty());
    }
}
