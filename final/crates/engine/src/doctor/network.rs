//! Network links, and the packet filter. Everything is made in a network namespace that ends with the check.

use std::net::{IpAddr, Ipv4Addr};

use hull_network::links::{self, Bridge, MacvlanMode, Namespace, Peer, Veth};
use hull_network::mac::Mac;
use hull_network::netlink::{Protocol, Socket};
use hull_network::nftables::Table;
use nix::sched::{CloneFlags, unshare};

use super::reason::text;
use super::{Attempt, Check, Need, Tried};

const MTU: u32 = 1500;

pub(super) const CHECKS: &[Check] = &[
    link("bridge", Need::Root, "the default network, and networks of the driver bridge", |socket| {
        bridge(socket).map(drop)
    }),
    link("veth", Need::Root, "containers on a network of the driver bridge or vxlan", |socket| {
        let bridge = bridge(socket)?;
        let peer = peer("inside");
        let veth = Veth { name: "outside", master: Some(bridge), mtu: MTU, peer };
        links::create_veth(socket, &veth).map_err(said)
    }),
    link("macvlan", Need::Nobody, "networks of the driver macvlan, and nic devices of that type", |socket| {
        let bridge = bridge(socket)?;
        links::create_macvlan(socket, bridge, MacvlanMode::Bridge, MTU, &peer("inside")).map_err(said)
    }),
    link("vxlan", Need::Nobody, "networks of the driver vxlan, over several machines", |socket| {
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let vxlan = links::vxlan::Vxlan { name: "vx", id: 1, local, port: 4789, mtu: 1400 };
        links::vxlan::create_vxlan(socket, &vxlan).map_err(said)
    }),
    Check {
        name: "nftables",
        need: Need::Root,
        purpose: "networks of every driver, and published ports",
        fix: "modprobe nf_tables nft_nat nft_masq, or a kernel that is built with them",
        attempt: Attempt::Privileged(|_| {
            unshare(CloneFlags::CLONE_NEWNET).map_err(text)?;
            let mut socket = Socket::open(Protocol::Netfilter).map_err(|error| error.to_string())?;
            Table::new("").ensure(&mut socket).map_err(said)
        }),
    },
    Check {
        name: "IPv6",
        need: Need::Nobody,
        purpose: "hull network create --ipv6",
        fix: "no ipv6.disable=1 on the kernel's command line",
        attempt: Attempt::Plain(|_| {
            let kind = rustix::net::SocketType::DGRAM;
            rustix::net::socket(rustix::net::AddressFamily::INET6, kind, None).map(drop).map_err(text)
        }),
    },
    Check {
        name: "tun",
        need: Need::User,
        purpose: "the network of containers of unprivileged users",
        fix: "modprobe tun",
        attempt: Attempt::Plain(|_| {
            let opened = std::fs::File::options().read(true).write(true).open("/dev/net/tun");
            opened.map(drop).map_err(text)
        }),
    },
];

const fn link(
    name: &'static str,
    need: Need,
    purpose: &'static str,
    make: fn(&mut Socket) -> Tried,
) -> Check {
    let fix = "modprobe with its name, or a kernel that is built with it";
    Check { name, need, purpose, fix, attempt: Attempt::Link(make) }
}

/// Calls `make` in a network namespace of this process's own.
pub(super) fn in_own_namespace(make: fn(&mut Socket) -> Tried) -> Tried {
    unshare(CloneFlags::CLONE_NEWNET).map_err(text)?;
    make(&mut Socket::open(Protocol::Route).map_err(|error| error.to_string())?)
}

fn said(error: hull_network::Error) -> String {
    error.to_string()
}

/// Makes a bridge, and returns its index.
fn bridge(socket: &mut Socket) -> Result<u32, String> {
    let mac = Mac::for_address(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)));
    links::create_bridge(socket, &Bridge { name: "br", mac, mtu: MTU }).map_err(said)?;
    links::get(socket, "br").map(|link| link.index).map_err(said)
}

/// The other end of a link, in the same namespace.
fn peer(name: &str) -> Peer<'_> {
    Peer { name, mac: None, namespace: Namespace::Pid(std::process::id()) }
}
