//! Sockets bound to the host's ports, so that no other program can bind them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{Errno, ioctl_fionbio};
use rustix::net::{
    AddressFamily, Protocol, Shutdown, SocketAddrUnix, SocketFlags, SocketType, bind, getsockname, ipproto,
    listen, shutdown, socket_with, sockopt,
};

use super::{Mapping, Port, Transport};
use crate::error::{Error, Result};

/// A reserved port of the host. It is free again when this is dropped.
#[derive(Debug)]
pub struct ReservedPort {
    pub host: SocketAddr,
    pub container: Port,
    socket: OwnedFd,
    listens: bool,
}

impl ReservedPort {
    /// Listens for connections over IPv6, which no rule forwards if they are to ::1 or if the container has no IPv6 address.
    pub fn listen(&mut self) {
        if self.container.transport == Transport::Tcp && self.host.is_ipv6() {
            // Connections in TIME_WAIT must not keep the port taken after the container's end (socket(7), SO_REUSEADDR).
            let ready = sockopt::set_socket_reuseaddr(&self.socket, true)
                .and_then(|()| listen(&self.socket, BACKLOG))
                .and_then(|()| ioctl_fionbio(&self.socket, true));
            self.listens = ready.is_ok();
        }
    }

    /// A port that another process has reserved, of whose socket this is a duplicate. `None` if the socket is of another
    /// kind, or of another port of the host than `ports` names.
    pub fn shared(socket: OwnedFd, ports: &[(u16, Port)]) -> Option<Self> {
        let host = SocketAddr::try_from(getsockname(&socket).ok()?).ok()?;
        let kind = sockopt::socket_type(&socket).ok()?;
        let is_kind = |port: &Port| match port.transport {
            Transport::Tcp | Transport::Sctp => kind == SocketType::STREAM,
            Transport::Udp => kind == SocketType::DGRAM,
        };
        let found = ports.iter().find(|(number, port)| *number == host.port() && is_kind(port));
        let listens = host.is_ipv6() && sockopt::socket_acceptconn(&socket).ok()?;
        // A connection that is being copied has the port, too.
        let is_connected = rustix::net::getpeername(&socket).is_ok();
        found.filter(|_| !is_connected).map(|(_, port)| Self { host, container: *port, socket, listens })
    }

    /// The socket that holds the port.
    pub fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// The socket to accept connections from that have to be copied to the container.
    pub fn listener(&self) -> Option<BorrowedFd<'_>> {
        self.listens.then(|| self.socket.as_fd())
    }
}

const BACKLOG: i32 = 128;

/// Reserves the ports that the mappings ask for, or none of them. `ip` is the host's address for mappings that name none.
pub fn reserve(mappings: &[Mapping], ip: IpAddr) -> Result<Vec<ReservedPort>> {
    mappings.iter().map(|mapping| reserve_one(mapping, mapping.host_ip.unwrap_or(ip))).collect()
}

fn reserve_one(mapping: &Mapping, ip: IpAddr) -> Result<ReservedPort> {
    let transport = mapping.container.transport;
    let (first, last) = mapping.host.unwrap_or((0, 0));
    let mut refused = Errno::ADDRINUSE;
    for port in first..=last {
        let host = SocketAddr::new(ip, port);
        match bind_port(transport, host) {
            Ok((socket, host)) => {
                return Ok(ReservedPort { host, container: mapping.container, socket, listens: false });
            }
            Err(Errno::ADDRINUSE) => {}
            Err(errno) => {
                refused = errno;
                break;
            }
        }
    }
    let address = match (first, last) {
        (0, _) => ip.to_string(),
        _ if first == last => SocketAddr::new(ip, first).to_string(),
        _ => format!("{} to {last}", SocketAddr::new(ip, first)),
    };
    Err(match refused {
        Errno::ADDRINUSE => Error::PortTaken { address, protocol: transport.name() },
        // ip(7): CAP_NET_BIND_SERVICE in the user namespace that owns the network namespace.
        Errno::ACCESS => Error::PortReserved { address, protocol: transport.name() },
        Errno::ADDRNOTAVAIL => Error::InvalidPort {
            text: format!("{address}:{}", mapping.container),
            why: "no link of the host has this address".into(),
        },
        errno => Error::Io { action: format!("take the port {address} ({transport})"), source: errno.into() },
    })
}

/// A socket bound to the address, and the address with the port that the kernel chose for port 0.
fn bind_port(transport: Transport, host: SocketAddr) -> Result<(OwnedFd, SocketAddr), Errno> {
    match bound(transport, host, false) {
        // A server that has just ended leaves connections in TIME_WAIT, which keep the port taken for sockets without
        // SO_REUSEADDR (socket(7)).
        Err(Errno::ADDRINUSE) if transport == Transport::Tcp => bound(transport, host, true),
        Err(Errno::PROTONOSUPPORT) if transport == Transport::Sctp => reserve_by_name(host),
        taken => taken,
    }
}

fn bound(transport: Transport, host: SocketAddr, reuse: bool) -> Result<(OwnedFd, SocketAddr), Errno> {
    let (kind, protocol) = match transport {
        Transport::Tcp => (SocketType::STREAM, ipproto::TCP),
        Transport::Udp => (SocketType::DGRAM, ipproto::UDP),
        Transport::Sctp => (SocketType::STREAM, SCTP),
    };
    let family = if host.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, Some(protocol))?;
    if host.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    if reuse {
        sockopt::set_socket_reuseaddr(&socket, true)?;
    }
    bind(&socket, &host)?;
    if reuse {
        // Two sockets with the option can share a port unless one of them listens, so listening finds another holder. Then
        // both end: a connection that came before the rules would be accepted by the kernel and served by nobody.
        listen(&socket, 0)?;
        shutdown(&socket, Shutdown::Read)?;
        sockopt::set_socket_reuseaddr(&socket, false)?;
    }
    let host = SocketAddr::try_from(getsockname(&socket)?)?;
    Ok((socket, host))
}

const SCTP: Protocol = ipproto::SCTP;

/// On a kernel that can translate SCTP but has no SCTP sockets, the port is reserved among hull's containers by an abstract
/// socket's name, which only one socket of the network namespace can have (unix(7)).
fn reserve_by_name(host: SocketAddr) -> Result<(OwnedFd, SocketAddr), Errno> {
    let ports = if host.port() == 0 { 49152..=u16::MAX } else { host.port()..=host.port() };
    for port in ports {
        let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
        let host = SocketAddr::new(host.ip(), port);
        match bind(&socket, &SocketAddrUnix::new_abstract_name(format!("hull-sctp/{host}").as_bytes())?) {
            Err(Errno::ADDRINUSE) => {}
            bound => return bound.map(|()| (socket, host)),
        }
    }
    Err(Errno::ADDRINUSE)
}

/// All IPv4 addresses of the host.
pub const EVERYWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream, UdpSocket};

    use super::*;
    use crate::ports::{Port, Transport};
    use crate::testing::in_own_namespace;

    fn range(text: &str) -> (u16, u16) {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        (first.parse().unwrap(), last.parse().unwrap())
    }

    /// `[IP:][HOST:]CONTAINER[/PROTOCOL]`; a range of the host for several ports has one for each.
    fn mappings(text: &str) -> Vec<Mapping> {
        let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let transport = [Transport::Tcp, Transport::Udp, Transport::Sctp];
        let transport = transport.into_iter().find(|transport| transport.name() == protocol).unwrap();
        let mut parts = ports.rsplit(':');
        let container = range(parts.next().unwrap());
        let host = parts.next().filter(|host| !host.is_empty()).map(range);
        let host_ip = parts.next().map(|ip| ip.parse().unwrap());
        let mapping = |number: u16| {
            let own = |(first, _)| (first + number - container.0, first + number - container.0);
            let host = if container.0 == container.1 { host } else { host.map(own) };
            Mapping { host_ip, host, container: Port { number, transport } }
        };
        (container.0..=container.1).map(mapping).collect()
    }

    fn reserve_all(text: &str) -> Result<Vec<ReservedPort>> {
        reserve(&mappings(text), EVERYWHERE)
    }

    #[track_caller]
    fn taken(text: &str, message: &str) {
        let error = reserve_all(text).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert_eq!(error.kind(), hull_sys::Kind::InUse);
    }

    #[test]
    fn a_port_is_held_until_its_holder_ends() {
        in_own_namespace("a_port_is_held_until_its_holder_ends", || {
            for transport in ["tcp", "udp", "sctp"] {
                let text = format!("8080:80/{transport}");
                let reserved = reserve_all(&text).unwrap();
                assert_eq!(reserved[0].host, "0.0.0.0:8080".parse().unwrap());
                taken(&text, &format!("port taken: 0.0.0.0:8080 ({transport}) is held by another process"));
                drop(reserved);
                reserve_all(&text).unwrap();
            }
        });
    }

    #[test]
    fn a_port_of_any_process_is_taken() {
        in_own_namespace("a_port_of_any_process_is_taken", || {
            let tcp = TcpListener::bind("127.0.0.1:8080").unwrap();
            let udp = UdpSocket::bind("0.0.0.0:53").unwrap();
            taken("8080:80", "port taken: 0.0.0.0:8080 (tcp) is held by another process");
            taken("127.0.0.1:53:53/udp", "port taken: 127.0.0.1:53 (udp) is held by another process");
            // Another address, another transport.
            reserve_all("127.0.0.2:8080:80").unwrap();
            reserve_all("8080:80/udp").unwrap();
            drop((tcp, udp));
            reserve_all("8080:80").unwrap();
        });
    }

    #[test]
    fn the_rest_of_a_server_that_ended_is_in_nobodys_way() {
        in_own_namespace("the_rest_of_a_server_that_ended_is_in_nobodys_way", || {
            let listener = TcpListener::bind("127.0.0.1:8080").unwrap();
            let client = TcpStream::connect("127.0.0.1:8080").unwrap();
            let (server, _) = listener.accept().unwrap();
            // The side that closes first keeps the connection in TIME_WAIT.
            drop(server);
            drop(listener);
            drop(client);
            let reserved = reserve_all("8080:80").unwrap();
            taken("8080:80", "port taken: 0.0.0.0:8080 (tcp) is held by another process");
            let refused = TcpStream::connect("127.0.0.1:8080").map_err(|error| error.kind());
            assert_eq!(refused.err(), Some(ErrorKind::ConnectionRefused), "nobody would answer it");
            drop(reserved);
        });
    }

    #[test]
    fn of_a_range_the_first_free_port_is_taken() {
        in_own_namespace("of_a_range_the_first_free_port_is_taken", || {
            let ports: Vec<_> = (0..3).map(|_| reserve_all("8000-8002:80").unwrap()).collect();
            let numbers: Vec<_> = ports.iter().map(|reserved| reserved[0].host.port()).collect();
            assert_eq!(numbers, [8000, 8001, 8002]);
            taken("8000-8002:80", "port taken: 0.0.0.0:8000 to 8002 (tcp) is held by another process");
        });
    }

    #[test]
    fn without_a_host_port_any_free_one_is_taken() {
        in_own_namespace("without_a_host_port_any_free_one_is_taken", || {
            for text in ["80-82", "127.0.0.1::80/udp", "80/sctp"] {
                let reserved = reserve_all(text).unwrap();
                assert!(reserved.iter().all(|reserved| reserved.host.port() >= 1024), "{reserved:?}");
            }
        });
    }

    #[test]
    fn of_several_ports_all_or_none_are_taken() {
        in_own_namespace("of_several_ports_all_or_none_are_taken", || {
            let reserved = reserve_all("8001:1").unwrap();
            assert!(reserve_all("8000-8002:1-3").is_err());
            reserve_all("8000:1").unwrap();
            drop(reserved);
        });
    }

    #[test]
    fn an_address_that_the_host_does_not_have_is_named() {
        in_own_namespace("an_address_that_the_host_does_not_have_is_named", || {
            let error = reserve_all("192.0.2.1:80:80").unwrap_err().to_string();
            assert!(error.contains("no link of the host has this address"), "{error}");
        });
    }
}
