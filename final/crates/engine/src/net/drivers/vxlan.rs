//! One network on several hosts, each of which has a part of its addresses.
//!
//! ```text
//!   container ══ veth… ── hl-… (bridge) ── hx-… (VXLAN) ─── UDP ─── hx-… ── hl-… ── veth… ══ container
//!                         10.9.0.0         198.51.100.1             198.51.100.2    10.9.0.128
//! ```
//!
//! The hosts know of each other what they were told: the network's number, its subnet and each other's address. Each gives
//! addresses from an `--ip-range` of its own, with its own gateway in it, so they never have to agree on anything.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use hull_network::links::{self, vxlan};
use hull_network::netlink::Socket;
use hull_network::nftables::Tunnel;
use hull_network::{addresses, sysctl};
use nix::libc::{EADDRINUSE, EEXIST};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::net::create::NetworkOptions;
use crate::net::record::NetworkRecord;

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vxlan {
    /// The network's number.
    pub id: u32,
    /// The other hosts.
    pub peers: Vec<IpAddr>,
    /// This host's address; `None` for the one by which it reaches the first peer.
    pub local: Option<IpAddr>,
    pub port: u16,
}

pub(in crate::net) const ID: &str = "vni";
const ID_TOO: &str = "id";
pub(in crate::net) const PEER: &str = "peer";
pub(in crate::net) const LOCAL: &str = "local";
pub(in crate::net) const PORT: &str = "port";
pub(in crate::net) const OPTIONS: [&str; 5] = [ID, ID_TOO, PEER, LOCAL, PORT];

impl Vxlan {
    pub(in crate::net) fn asked(options: &NetworkOptions) -> Result<Self> {
        let given = |key: &str| options.options.get(key).map(String::as_str);
        let invalid = |key: &str, value: &str, why: &str| Error::Invalid {
            what: format!("option {key}={value}"),
            why: why.into(),
        };
        let missing =
            |why: &str| Error::Invalid { what: format!("vxlan network {}", options.name), why: why.into() };
        let id = match (given(ID), given(ID_TOO)) {
            (Some(one), Some(other)) if one != other => {
                return Err(invalid(ID_TOO, other, "it is another name of vni, which is given as well"));
            }
            (one, other) => one.or(other),
        };
        let id = id.ok_or_else(|| missing("it needs a number, the same on every host: -o vni=42"))?;
        let number = id.parse().ok().filter(|id| (1..1 << 24).contains(id));
        let ip = |key: &str, text: &str| {
            text.parse::<IpAddr>()
                .ok()
                .filter(|ip| !(ip.is_unspecified() || ip.is_loopback() || ip.is_multicast()))
                .ok_or_else(|| invalid(key, text, "it is no host's address"))
        };
        let list =
            given(PEER).ok_or_else(|| missing("it needs the other hosts' addresses: --peer 192.0.2.7"))?;
        let mut peers = Vec::new();
        for text in list.split(',') {
            let peer = ip(PEER, text)?;
            if peers.contains(&peer) {
                return Err(invalid(PEER, text, "it is given twice"));
            }
            peers.push(peer);
        }
        let local = given(LOCAL).map(|text| ip(LOCAL, text)).transpose()?;
        let port = given(PORT).map(|text| {
            let port = text.parse().ok().filter(|port| *port != 0);
            port.ok_or_else(|| invalid(PORT, text, "a port is 1 to 65535"))
        });
        let port = port.transpose()?.unwrap_or(vxlan::PORT);
        let families: Vec<_> = peers.iter().chain(&local).map(IpAddr::is_ipv6).collect();
        if families.iter().any(|family| Some(family) != families.first()) {
            return Err(invalid(PEER, list, "the hosts reach each other all by IPv4 or all by IPv6"));
        }
        let id = number.ok_or_else(|| invalid(ID, id, "a network's number is 1 to 16777215"))?;
        Ok(Self { id, peers, local, port })
    }

    pub(in crate::net) fn rules(&self) -> Tunnel<'_> {
        Tunnel { port: self.port, id: self.id, peers: &self.peers }
    }

    /// Before the network is made.
    pub(in crate::net) fn check_on_host(
        &self,
        network: &NetworkRecord,
        others: &[NetworkRecord],
        route: &mut Socket,
    ) -> Result<()> {
        for other in others {
            if let super::Driver::Vxlan(vxlan) = &other.driver
                && (vxlan.id, vxlan.port) == (self.id, self.port)
            {
                return Err(Error::Invalid {
                    what: format!("option {ID}={}", self.id),
                    why: format!("it is the number of network {}", other.name),
                });
            }
        }
        let here = addresses::list(route, None)?;
        if let Some(own) = here.iter().find(|address| self.peers.contains(&address.ip)) {
            let what = format!("option {PEER}={}", own.ip);
            return Err(Error::Invalid { what, why: "it is an address of this host".into() });
        }
        self.mtu(network, route).map(drop)
    }

    /// What a frame may have, below the headers it travels with.
    pub(in crate::net) fn mtu(&self, network: &NetworkRecord, route: &mut Socket) -> Result<u32> {
        let local = self.local()?;
        let Some(address) = addresses::list(route, None)?.into_iter().find(|address| address.ip == local)
        else {
            let what = format!("option {LOCAL}={local}");
            return Err(Error::Invalid { what, why: "no link of this host has the address".into() });
        };
        let below = links::find_by_index(route, address.link)?.map_or(1500, |link| link.mtu);
        let most = below.saturating_sub(vxlan::overhead(local));
        match network.mtu {
            Some(mtu) if mtu > most => Err(Error::Invalid {
                what: format!("MTU {mtu} of network {}", network.name),
                why: format!("the link with {local} has {below}, of which {most} are left"),
            }),
            mtu => Ok(mtu.unwrap_or(most)),
        }
    }

    /// By which address packets leave.
    fn local(&self) -> Result<IpAddr> {
        if let Some(local) = self.local {
            return Ok(local);
        }
        let Some(&peer) = self.peers.first() else { return Ok(IpAddr::from([0; 4])) };
        // To connect a UDP socket sends nothing: the kernel looks for the route, and chooses.
        let any: IpAddr = if peer.is_ipv6() { [0; 16].into() } else { [0; 4].into() };
        let chosen = UdpSocket::bind(SocketAddr::new(any, 0)).and_then(|socket| {
            socket.connect(SocketAddr::new(peer, self.port))?;
            socket.local_addr()
        });
        chosen.map(|address| address.ip()).map_err(|error| Error::Invalid {
            what: format!("option {PEER}={peer}"),
            why: format!("the host has no way there ({error})"),
        })
    }

    /// The network's tunnel on this host, a port of its bridge. Where a kill left it half made it is completed.
    pub(in crate::net) fn make(
        &self,
        network: &NetworkRecord,
        bridge: u32,
        route: &mut Socket,
    ) -> Result<()> {
        let name = link(network);
        let index = match links::find(route, &name)? {
            Some(link) => link.index,
            None => {
                let mtu = self.mtu(network, route)?;
                let vxlan =
                    vxlan::Vxlan { name: &name, id: self.id, local: self.local()?, port: self.port, mtu };
                let made = vxlan::create_vxlan(route, &vxlan);
                made.map_err(|error| {
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
        // Only now does the kernel open the socket.
        let up = links::set_up(route, index);
        up.map_err(|error| self.in_use(error, EADDRINUSE, "another program has the UDP port"))
    }

    /// The kernel's number, where it means that somebody else was first.
    fn in_use(&self, error: hull_network::Error, errno: i32, why: &str) -> Error {
        match error.errno() == Some(errno) {
            true => Error::Invalid {
                what: format!("VXLAN with the number {} at port {}", self.id, self.port),
                why: why.into(),
            },
            false => error.into(),
        }
    }

    pub(in crate::net) fn is_made(
        &self,
        network: &NetworkRecord,
        bridge: u32,
        route: &mut Socket,
    ) -> Result<bool> {
        let found = links::find(route, &link(network))?;
        Ok(found.is_some_and(|link| link.up && link.master == Some(bridge)))
    }
}

/// The tunnel's name. It goes by the network's id, for the bridge may be called as its user likes.
pub(in crate::net) fn link(network: &NetworkRecord) -> String {
    format!("hx-{}", network.id.get(..12).unwrap_or(&network.id))
}
