//! A host with bridges and containers on them, and a neighbour on its LAN, all of them network namespaces.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::super::*;
use crate::addresses::{self, Address};
use crate::links::{self, Bridge, Namespace, Peer, Veth};
use crate::netlink::Protocol;
use crate::routes::{self, Route};
use crate::testing::{inside, new_namespace};
use crate::{namespace, sysctl};

pub const HOST_ON_LAN: &str = "198.51.100.1";
pub const NEIGHBOUR: &str = "198.51.100.2";

/// How long to wait for a packet that must not arrive, and for one that must.
pub const NEVER: Duration = Duration::from_millis(300);
pub const SURELY: Duration = Duration::from_secs(20);

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub fn at(address: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip(address), port)
}

/// The test's own namespace is the host.
pub struct Topology {
    pub host: OwnedFd,
    pub neighbour: OwnedFd,
    pub route: Socket,
    pub filter: Socket,
    pub table: Table,
}

/// A container on one network; `link` is the host's end.
pub struct Container {
    pub namespace: OwnedFd,
    pub link: String,
    pub mac: Mac,
    pub address: IpAddr,
    pub bridge: &'static str,
}

impl Topology {
    pub fn new() -> Self {
        let mut topology = Self {
            host: namespace::current().unwrap(),
            neighbour: new_namespace(),
            route: Socket::open(Protocol::Route).unwrap(),
            filter: Socket::open(Protocol::Netfilter).unwrap(),
            table: Table::new(""),
        };
        sysctl::enable_forwarding(false).unwrap();
        topology.veth_pair("lan0", None, &topology.neighbour.try_clone().unwrap(), None, NEIGHBOUR);
        topology.give("lan0", HOST_ON_LAN);
        topology
    }

    fn give(&mut self, link: &str, address: &str) {
        let link = links::get(&mut self.route, link).unwrap().index;
        addresses::add(&mut self.route, Address { link, ip: ip(address), prefix: 24 }).unwrap();
    }

    fn veth_pair(&mut self, name: &str, master: Option<u32>, to: &OwnedFd, mac: Option<Mac>, address: &str) {
        let peer = Peer { name: "eth0", mac, namespace: Namespace::Fd(to.as_fd()) };
        links::create_veth(&mut self.route, &Veth { name, master, mtu: 1500, peer }).unwrap();
        let mut inner = Socket::inside(to.as_fd(), Protocol::Route).unwrap();
        for name in ["lo", "eth0"] {
            let link = links::get(&mut inner, name).unwrap().index;
            links::set_up(&mut inner, link).unwrap();
        }
        let link = links::get(&mut inner, "eth0").unwrap().index;
        addresses::add(&mut inner, Address { link, ip: ip(address), prefix: 24 }).unwrap();
    }

    pub fn bridge(&mut self, name: &'static str, gateway: &str) {
        let mac = Mac::for_address(ip(gateway));
        links::create_bridge(&mut self.route, &Bridge { name, mac, mtu: 1500 }).unwrap();
        self.give(name, gateway);
        sysctl::enable_route_localnet(name).unwrap();
        let index = links::get(&mut self.route, name).unwrap().index;
        links::set_up(&mut self.route, index).unwrap();
    }

    /// Adds a container to the bridge, without its rules.
    pub fn add_container(
        &mut self,
        bridge: &'static str,
        link: &str,
        address: &str,
        gateway: &str,
    ) -> Container {
        let master = links::get(&mut self.route, bridge).unwrap().index;
        let (namespace, mac) = (new_namespace(), Mac::for_address(ip(address)));
        self.veth_pair(link, Some(master), &namespace, Some(mac), address);
        let mut inner = Socket::inside(namespace.as_fd(), Protocol::Route).unwrap();
        let eth0 = links::get(&mut inner, "eth0").unwrap().index;
        routes::add(&mut inner, Route::default_via(ip(gateway), eth0)).unwrap();
        Container { namespace, link: link.into(), mac, address: ip(address), bridge }
    }

    pub fn attach(&mut self, container: &Container, network: Network<'_>, published: &[Published]) {
        let endpoint = Endpoint {
            network: Network { bridge: container.bridge, ..network },
            link: &container.link,
            mac: container.mac,
            addresses: &[container.address],
            link_local: &[],
            published,
        };
        self.table.attach(&mut self.filter, &[endpoint]).unwrap();
        if !published.is_empty() {
            let port = links::get(&mut self.route, &container.link).unwrap().index;
            links::enable_hairpin(&mut self.route, port).unwrap();
        }
    }
}

/// Starts a server that answers each client with the client's address.
pub fn serve(namespace: &OwnedFd, transport: Transport, address: SocketAddr) {
    let namespace = namespace.try_clone().unwrap();
    let (ready, wait) = mpsc::channel();
    // The thread ends with the test's process.
    std::thread::spawn(move || {
        hull_sys::process::setns(namespace.as_fd(), libc::CLONE_NEWNET).unwrap();
        match transport {
            Transport::Udp => {
                let socket = UdpSocket::bind(address).unwrap();
                ready.send(()).unwrap();
                while let Ok((_, from)) = socket.recv_from(&mut [0; 16]) {
                    let _ = socket.send_to(from.ip().to_string().as_bytes(), from);
                }
            }
            _ => {
                let listener = TcpListener::bind(address).unwrap();
                ready.send(()).unwrap();
                while let Ok((mut stream, from)) = listener.accept() {
                    let _ = stream.write_all(from.ip().to_string().as_bytes());
                }
            }
        }
    });
    wait.recv().unwrap();
}

fn ask_for(namespace: &OwnedFd, transport: Transport, to: SocketAddr, wait: Duration) -> io::Result<String> {
    inside(namespace, || {
        let mut answer = [0; 64];
        let length = match transport {
            Transport::Udp => {
                let any: IpAddr = if to.is_ipv4() { ip("0.0.0.0") } else { ip("::") };
                let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
                socket.set_read_timeout(Some(wait))?;
                socket.connect(to)?;
                socket.send(b"who am I?")?;
                socket.recv(&mut answer)?
            }
            _ => {
                let mut stream = TcpStream::connect_timeout(&to, wait)?;
                stream.set_read_timeout(Some(wait))?;
                stream.read(&mut answer)?
            }
        };
        Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
    })
}

/// Retries until it succeeds. A bridge drops the first packets from a new veth pair, until a kernel worker has processed its
/// carrier.
pub fn eventually<T, E>(mut attempt: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    let until = Instant::now() + SURELY;
    loop {
        match attempt() {
            Err(_) if Instant::now() < until => std::thread::sleep(Duration::from_millis(10)),
            done => return done,
        }
    }
}

/// The address as which the server at `to` sees a client in `namespace`.
#[track_caller]
pub fn ask(namespace: &OwnedFd, transport: Transport, to: SocketAddr) -> String {
    let answer = eventually(|| ask_for(namespace, transport, to, Duration::from_secs(2)));
    answer.unwrap_or_else(|error| panic!("{transport} {to}: {error}"))
}

#[track_caller]
pub fn refused(namespace: &OwnedFd, transport: Transport, to: SocketAddr) {
    let answer = ask_for(namespace, transport, to, NEVER);
    assert!(answer.is_err(), "{transport} {to} answers {answer:?}");
}
