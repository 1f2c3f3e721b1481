//! The driver `vxlan`: one network on several hosts, each of which assigns a part of its addresses.
//!
//! ```text
//!   container ══ veth… ── hl-… (bridge) ── hx-… (VXLAN) ─── UDP ─── hx-… ── hl-… ── veth… ══ container
//!                         10.9.0.0         198.51.100.1             198.51.100.2    10.9.0.128
//! ```
//!
//! The hosts share no state. Each is configured with the network's number, its subnet and the other hosts' addresses, and
//! assigns addresses from an `--ip-range` of its own, which contains its own gateway. So they never have to agree on anything.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use hull_network::links::{self, vxlan};
use hull_network::netlink::Socket;
use hull_network::nftables::Tunnel;
use hull_network::subnet::Subnet;
use hull_network::{addresses, sysctl};
use nix::libc::{EADDRINUSE, EEXIST};
use serde::{Deserialize, Serialize};

use super::host_bridge::BridgeDriver;
use super::veth::DEFAULT_MTU;
use super::{DriverConfig, bridge, tunnel_link};
use crate::error::{Error, Result};
use crate::net::options::NetworkOptions;
use crate::net::record::NetworkRecord;

/// The settings of a VXLAN network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vxlan {
    /// The network's number (VNI).
    id: u32,
    /// The other hosts' addresses.
    peers: Vec<IpAddr>,
    /// This host's address; `None` for the one from which it reaches the first peer.
    local: Option<IpAddr>,
    port: u16,
}

const ID: &str = "vni";
/// docker's name for the same in other drivers.
const ID_ALIAS: &str = "id";
const PEER: &str = "peer";
const LOCAL: &str = "local";
const PORT: &str = "port";

impl Vxlan {
    pub(super) fn from_options(options: &NetworkOptions) -> Result<Self> {
        let given = |key: &str| options.options.get(key).map(String::as_str);
        let missing =
            |why: &str| Error::Invalid { what: format!("vxlan network {}", options.name), why: why.into() };
        let id = match (given(ID), given(ID_ALIAS)) {
            (Some(one), Some(other)) if one != other => {
                return Err(invalid(ID_ALIAS, other, "it is another name of vni, which is given as well"));
            }
            (one, other) => one.or(other),
        };
        let id = id.ok_or_else(|| missing("it needs a number, the same on every host: -o vni=42"))?;
        let list =
            given(PEER).ok_or_else(|| missing("it needs the other hosts' addresses: --peer 192.0.2.7"))?;
        let mut peers = Vec::new();
        for text in list.split(',') {
            let peer = parse_address(PEER, text)?;
            if peers.contains(&peer) {
                return Err(invalid(PEER, text, "it is given twice"));
            }
            peers.push(peer);
        }
        let local = given(LOCAL).map(|text| parse_address(LOCAL, text)).transpose()?;
        let port = given(PORT).map(|text| {
            let port = text.parse().ok().filter(|port| *port != 0);
            port.ok_or_else(|| invalid(PORT, text, "a port is 1 to 65535"))
        });
        let port = port.transpose()?.unwrap_or(vxlan::PORT);
        let families: Vec<_> = peers.iter().chain(&local).map(IpAddr::is_ipv6).collect();
        if families.iter().any(|family| Some(family) != families.first()) {
            return Err(invalid(PEER, list, "the hosts reach each other all by IPv4 or all by IPv6"));
        }
        let number = id.parse().ok().filter(|number| (1..1 << 24).contains(number));
        let id = number.ok_or_else(|| invalid(ID, id, "a network's number is 1 to 16777215"))?;
        Ok(Self { id, peers, local, port })
    }

    /// The network's MTU: that of the link below it, less the outer headers, at most.
    fn mtu(&self, network: &NetworkRecord, route: &mut Socket) -> Result<u32> {
        let local = self.local()?;
        let Some(address) = addresses::list(route, None)?.into_iter().find(|address| address.ip == local)
        else {
            return Err(invalid(LOCAL, &local.to_string(), "no link of this host has the address"));
        };
        let below = links::find_by_index(route, address.link)?.map_or(DEFAULT_MTU, |link| link.mtu);
        let limit = below.saturating_sub(vxlan::overhead(local));
        match network.mtu {
            Some(mtu) if mtu > limit => Err(Error::Invalid {
                what: format!("MTU {mtu} of network {}", network.name),
                why: format!("the link with {local} has {below}, of which {limit} are left"),
            }),
            mtu => Ok(mtu.unwrap_or(limit)),
        }
    }

    /// The address that this host sends from.
    fn local(&self) -> Result<IpAddr> {
        if let Some(local) = self.local {
            return Ok(local);
        }
        let Some(&peer) = self.peers.first() else { return Ok(IpAddr::from([0; 4])) };
        // Connecting a UDP socket sends nothing: the kernel looks up the route, and chooses the source address.
        let any: IpAddr = if peer.is_ipv6() { [0; 16].into() } else { [0; 4].into() };
        let chosen = UdpSocket::bind(SocketAddr::new(any, 0)).and_then(|socket| {
            socket.connect(SocketAddr::new(peer, self.port))?;
            socket.local_addr()
        });
        chosen.map(|address| address.ip()).map_err(|error| {
            invalid(PEER, &peer.to_string(), &format!("the host has no route to it ({error})"))
        })
    }

    /// Explains the kernel's error number, if it means that another link or program was first.
    fn in_use(&self, error: hull_network::Error, errno: i32, why: &str) -> Error {
        match error.errno() == Some(errno) {
            true => Error::Invalid {
                what: format!("VXLAN with the number {} at port {}", self.id, self.port),
                why: why.into(),
            },
            false => error.into(),
        }
    }
}

impl BridgeDriver for Vxlan {
    fn name(&self) -> &'static str {
        "vxlan"
    }

    /// Isolating containers from each other is not possible: all those on other hosts are behind one port of the bridge.
    fn options(&self) -> Vec<&'static str> {
        let of_bridge = bridge::OPTIONS.into_iter().filter(|option| *option != bridge::ENABLE_ICC);
        of_bridge.chain([ID, ID_ALIAS, PEER, LOCAL, PORT]).collect()
    }

    fn tunnel(&self) -> Option<Tunnel<'_>> {
        Some(Tunnel { port: self.port, id: self.id, peers: &self.peers })
    }

    /// Hosts that each assign addresses from a range of their own never assign the same address twice.
    fn validate_subnets(&self, options: &NetworkOptions, subnets: &[Subnet]) -> Result<()> {
        for subnet in subnets {
            let what = || format!("vxlan network {}", options.name);
            let Some(range) = options.ranges.iter().find(|range| subnet.includes(**range)) else {
                let why = format!(
                    "the hosts must not give the same addresses: each needs an --ip-range of {subnet}"
                );
                return Err(Error::Invalid { what: what(), why });
            };
            let gateway = options.gateways.iter().find(|gateway| subnet.contains(**gateway));
            if let Some(gateway) = gateway.filter(|gateway| !range.contains(**gateway)) {
                let why =
                    format!("each host is its containers' gateway: {gateway} is not in the range {range}");
                return Err(Error::Invalid { what: what(), why });
            }
        }
        Ok(())
    }

    fn validate(&self, network: &NetworkRecord, others: &[NetworkRecord], route: &mut Socket) -> Result<()> {
        for other in others {
            if let DriverConfig::Vxlan(vxlan) = &other.driver
                && (vxlan.id, vxlan.port) == (self.id, self.port)
            {
                let why = format!("it is the number of network {}", other.name);
                return Err(invalid(ID, &self.id.to_string(), &why));
            }
        }
        let here = addresses::list(route, None)?;
        if let Some(own) = here.iter().find(|address| self.peers.contains(&address.ip)) {
            return Err(invalid(PEER, &own.ip.to_string(), "it is an address of this host"));
        }
        self.mtu(network, route).map(drop)
    }

    fn bridge_mtu(&self, network: &NetworkRecord, route: &mut Socket) -> Result<u32> {
        self.mtu(network, route)
    }

    /// The bridge's: the tunnel stays a port of the bridge, so the bridge keeps the MTU that it was created with.
    fn veth_mtu(&self, _: &NetworkRecord) -> Option<u32> {
        None
    }

    /// Makes the tunnel, which is a port of the bridge, or completes one that a killed command has left incomplete.
    fn add_port(&self, network: &NetworkRecord, bridge: u32, route: &mut Socket) -> Result<()> {
        let name = tunnel_link(network);
        let index = match links::find(route, &name)? {
            Some(link) => link.index,
            None => {
                let mtu = self.mtu(network, route)?;
                let vxlan =
                    vxlan::Vxlan { name: &name, id: self.id, local: self.local()?, port: self.port, mtu };
                let created = vxlan::create_vxlan(route, &vxlan);
                created.map_err(|error| {
                    self.in_use(error, EEXIST, "another link of the host's has the number")
                })?;
                links::get(route, &name)?.index
            }
        };
        sysctl::disable_ipv6(&name)?;
        links::set_master(route, index, Some(bridge))?;
        for peer in &self.peers {
            vxlan::add_peer(route, index, *peer)?;
        }
        // The kernel opens the UDP socket when the link comes up.
        let up = links::set_up(route, index);
        up.map_err(|error| self.in_use(error, EADDRINUSE, "another program has the UDP port"))
    }

    fn has_port(&self, network: &NetworkRecord, bridge: u32, route: &mut Socket) -> Result<bool> {
        let found = links::find(route, &tunnel_link(network))?;
        Ok(found.is_some_and(|link| link.up && link.master == Some(bridge)))
    }
}

fn invalid(key: &str, value: &str, why: &str) -> Error {
    Error::Invalid { what: format!("option {key}={value}"), why: why.into() }
}

fn parse_address(key: &str, text: &str) -> Result<IpAddr> {
    text.parse::<IpAddr>()
        .ok()
        .filter(|ip| !(ip.is_unspecified() || ip.is_loopback() || ip.is_multicast()))
        .ok_or_else(|| invalid(key, text, "it is no host's address"))
}
