//! The smallest container network: a veth pair from a bridge into the container, an address and a default route. And the
//! smallest DNS client.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hull_network::addresses::{self, Address};
use hull_network::links::{self, Namespace, Peer, Veth};
use hull_network::namespace;
use hull_network::netlink::{Protocol, Socket};
use hull_network::routes::{self, Route};

/// The bridge's address; the bench assigns it.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);

/// Connects the network namespace of a process to the bridge.
pub fn connect(bridge: &str, pid: i32) -> Result<()> {
    let inside = namespace::of_process(pid)?;
    let mut route = Socket::open(Protocol::Route)?;
    let master = links::get(&mut route, bridge)?.index;
    let peer = Peer { name: "eth0", mac: None, namespace: Namespace::Fd(inside.as_fd()) };
    let name = format!("base{pid}");
    links::create_veth(&mut route, &Veth { name: &name, master: Some(master), mtu: 1500, peer })?;
    let mut inner = Socket::inside(inside.as_fd(), Protocol::Route)?;
    let link = links::get(&mut inner, "eth0")?.index;
    let [_, _, high, low] = pid.to_be_bytes();
    let ip = IpAddr::from([10, 99, high | 128, low]);
    addresses::add(&mut inner, Address { link, ip, prefix: 16 })?;
    links::set_up(&mut inner, link)?;
    Ok(routes::add(&mut inner, Route::default_via(GATEWAY.into(), link))?)
}

/// Asks the container's resolver for an address, many times, some at once.
pub fn ask(name: &str, count: u32) -> Result<u8> {
    const AT_ONCE: u32 = 16;
    let mut question = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        question.push(u8::try_from(label.len())?);
        question.extend(label.as_bytes());
    }
    question.extend([0, 0, 1, 0, 1]);
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect("127.0.0.11:53")?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut answer = [0; 512];
    for number in 0..count + AT_ONCE {
        if number >= AT_ONCE {
            let length = socket.recv(&mut answer).context("no answer")?;
            ensure!(length > question.len() && answer[7] == 1, "no address");
        }
        if number < count {
            socket.send(&question)?;
        }
    }
    Ok(0)
}
