//! Packet filtering and address translation, by nf_tables over nfnetlink.
//!
//! The rules are written once and stay (`ruleset`). Containers come and go as elements of the sets that the rules look
//! things up in (`sets`), each in one transaction (`batch`), so that a published port costs the same whether there
//! are none or thousands.
//!
//! ```text
//! to a published port    prerouting or output: ports4 says container and port ─▶ forward ─▶ postrouting
//! out of a container     ports (bridge): is it who it says? ─▶ guard ─▶ forward ─▶ postrouting: the host's address
//! container to container on one network: ports (bridge), and no more · on two: forward drops it
//! ```
//!
//! There are two tables of one name: `inet`, and `bridge` for what passes between two containers of a network. A root other
//! than the machine's own has its suffix in the name; nothing here touches another table.

mod batch;
mod dns;
mod inspect;
mod iptables;
mod kernel;
mod rule;
mod ruleset;
mod sets;
mod stale;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::links::check_name;
use crate::mac::Mac;
use crate::netlink::Socket;
use crate::ports::Transport;
use batch::Batch;
pub use dns::redirect_dns;
pub use inspect::ElementStatus;
pub use iptables::{accept_forwarded, forget_forwarded};
use kernel::{NFPROTO_BRIDGE, NFPROTO_INET};
use sets::{Element, Fields, Set};
pub use stale::TableContents;

/// hull's tables, by their name.
#[derive(Debug, Clone)]
pub struct Table {
    name: String,
}

/// What the rules have to know of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network<'a> {
    pub bridge: &'a str,
    /// Nothing goes out and nothing comes in.
    pub internal: bool,
    /// Containers go out with the host's address.
    pub masquerade: bool,
    /// Containers may talk to each other. What is told apart here is routed; between ports of the bridge it takes
    /// [`crate::links::isolate_port`].
    pub inter_container: bool,
    /// What joins it with the same network on other hosts.
    pub tunnel: Option<Tunnel<'a>>,
}

/// A VXLAN that frames come out of, if they come from a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tunnel<'a> {
    /// UDP's, of the host.
    pub port: u16,
    pub id: u32,
    pub peers: &'a [IpAddr],
}

/// A container on a network, and what of it is published.
#[derive(Debug, Clone)]
pub struct Endpoint<'a> {
    pub network: Network<'a>,
    /// The name of the veth's end on the host.
    pub link: &'a str,
    pub mac: Mac,
    /// No other source address gets past the bridge. Without an IPv6 address, no IPv6 does.
    pub addresses: &'a [IpAddr],
    pub published: &'a [Published],
}

/// A port of the host that leads into a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    pub transport: Transport,
    /// 0.0.0.0 and :: stand for all addresses of the host.
    pub host: SocketAddr,
    /// Of the same family.
    pub container: SocketAddr,
}

impl Table {
    /// `suffix` is that of the root ([`hull_storage::root::Root::name_suffix`]).
    pub fn new(suffix: &str) -> Self {
        Self { name: format!("hull{suffix}") }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes the tables with their rules, or makes them right again. Elements that are there stay.
    pub fn ensure(&self, socket: &mut Socket) -> Result<()> {
        let mut batch = Batch::on(&self.name);
        ruleset::put(&mut batch);
        let action = || format!("make the nftables table {}", self.name);
        match batch.commit(socket, action) {
            // What the rules mean is made just before, so it is an instruction that is missing.
            Err(error) if error.errno() == Some(libc::ENOENT) => Err(Error::Answer {
                action: action(),
                why: "the kernel lacks nft_ct, nft_nat, nft_masq, nft_fib_inet, nft_chain_nat or nft_meta_bridge",
            }),
            made => made,
        }
    }

    /// Removes the tables and all in them.
    pub fn delete(&self, socket: &mut Socket) -> Result<()> {
        for family in [NFPROTO_INET, NFPROTO_BRIDGE] {
            let mut batch = Batch::on(&self.name);
            batch.delete_table(family);
            let deleted = batch.commit(socket, || format!("delete the nftables table {}", self.name));
            ignore(libc::ENOENT, deleted)?;
        }
        Ok(())
    }

    /// Lets a container onto its networks, in one transaction. The tables, and what they know of the networks, are made
    /// where they are missing.
    ///
    /// The caller holds a socket bound to each published port ([`crate::ports`]). So what the maps still say of one was left
    /// by a container that is gone, and is replaced.
    ///
    /// True when the tables were missing, and with them what they said of other containers.
    pub fn attach(&self, socket: &mut Socket, endpoints: &[Endpoint<'_>]) -> Result<bool> {
        endpoints.iter().try_for_each(Endpoint::check)?;
        match self.add(socket, endpoints) {
            Err(error) if error.errno() == Some(libc::ENOENT) => {
                self.ensure(socket)?;
                self.add(socket, endpoints).map(|()| true)
            }
            // Before Linux 5.7 it was EBUSY.
            Err(error) if matches!(error.errno(), Some(libc::EEXIST | libc::EBUSY)) => {
                self.displace(socket, endpoints.iter().flat_map(|endpoint| endpoint.ports()).collect())?;
                self.add(socket, endpoints).map(|()| false)
            }
            added => added.map(|()| false),
        }
    }

    /// Lets the rules know of a network, before it has a container.
    pub fn add_network(&self, socket: &mut Socket, network: &Network<'_>) -> Result<()> {
        check_name(network.bridge)?;
        self.ensure(socket)?;
        let mut batch = Batch::on(&self.name);
        network.elements().iter().for_each(|(set, elements)| batch.add_elements(set, elements));
        batch.commit(socket, || format!("add the network to the nftables table {}", self.name))
    }

    /// Takes a container off its networks. What is gone already is fine; the networks stay.
    pub fn detach(&self, socket: &mut Socket, endpoints: &[Endpoint<'_>]) -> Result<()> {
        let elements = endpoints.iter().flat_map(|e| [e.ports(), e.identity(), e.membership()].concat());
        self.remove(socket, elements.collect())
    }

    /// Takes out containers that have ended, and published nothing. What is `taken` is another's address by now: that it is on
    /// the network stays.
    pub fn detach_stale(
        &self,
        socket: &mut Socket,
        endpoints: &[Endpoint<'_>],
        taken: &[IpAddr],
    ) -> Result<()> {
        let mut gone = Elements::new();
        for endpoint in endpoints {
            let is_free = |ip: &&IpAddr| !taken.contains(ip);
            let addresses: Vec<_> = endpoint.addresses.iter().filter(is_free).copied().collect();
            let member = Endpoint { addresses: &addresses, ..endpoint.clone() };
            for (set, elements) in [endpoint.identity(), member.membership()].concat() {
                match gone.iter_mut().find(|(there, _)| there.name == set.name) {
                    Some((_, there)) => there.extend(elements),
                    None => gone.push((set, elements)),
                }
            }
        }
        // Of a container that has ended twice with the same address: to remove it twice is refused, and all with it.
        for (_, elements) in &mut gone {
            elements.sort_unstable();
            elements.dedup();
        }
        self.remove(socket, gone)
    }

    /// Forgets a network that has no containers any more.
    pub fn remove_network(&self, socket: &mut Socket, network: &Network<'_>) -> Result<()> {
        check_name(network.bridge)?;
        self.remove(socket, network.elements())
    }

    fn add(&self, socket: &mut Socket, endpoints: &[Endpoint<'_>]) -> Result<()> {
        let mut batch = Batch::on(&self.name);
        for endpoint in endpoints {
            let elements =
                [endpoint.network.elements(), endpoint.membership(), endpoint.identity(), endpoint.ports()];
            elements.concat().iter().for_each(|(set, elements)| batch.add_elements(set, elements));
        }
        batch.commit(socket, || format!("add the container to the nftables table {}", self.name))
    }

    /// Removes what there is of these keys, wherever it leads.
    fn displace(&self, socket: &mut Socket, elements: Elements) -> Result<()> {
        for (set, elements) in &elements {
            for element in elements {
                let mut batch = Batch::on(&self.name);
                batch.delete_elements(set, std::slice::from_ref(element));
                let removed =
                    batch.commit(socket, || format!("replace a port in the nftables table {}", self.name));
                ignore(libc::ENOENT, removed)?;
            }
        }
        Ok(())
    }

    /// All at once, as it mostly goes. What is missing is added and removed with the others, for a refusal takes the kernel
    /// some 10 ms; and of a map's key that leads elsewhere by now the kernel says so, and leaves it to whom it belongs.
    fn remove(&self, socket: &mut Socket, elements: Vec<(&Set, Vec<Element>)>) -> Result<()> {
        let take = |elements: &[(&Set, &[Element])], socket: &mut Socket| {
            let mut batch = Batch::on(&self.name);
            elements.iter().for_each(|(set, elements)| batch.add_elements(set, elements));
            elements.iter().for_each(|(set, elements)| batch.delete_elements(set, elements));
            batch.commit(socket, || format!("take the container from the nftables table {}", self.name))
        };
        let all: Vec<_> = elements.iter().map(|(set, elements)| (*set, elements.as_slice())).collect();
        match take(&all, socket) {
            // No table: nothing is in it.
            Err(error) if error.errno() == Some(libc::ENOENT) => return Ok(()),
            Err(error) if matches!(error.errno(), Some(libc::EEXIST | libc::EBUSY)) => {}
            removed => return removed,
        }
        for (set, elements) in &elements {
            for element in elements {
                match take(&[(set, std::slice::from_ref(element))], socket) {
                    Err(error)
                        if matches!(error.errno(), Some(libc::EEXIST | libc::EBUSY | libc::ENOENT)) => {}
                    removed => removed?,
                }
            }
        }
        Ok(())
    }
}

/// Elements, and the set they belong into.
type Elements = Vec<(&'static Set, Vec<Element>)>;

impl Network<'_> {
    fn elements(&self) -> Elements {
        let name = || vec![Fields::default().name(self.bridge).key()];
        let twice = || vec![Fields::default().name(self.bridge).name(self.bridge).key()];
        let mut elements = vec![(&sets::BRIDGES, name()), (&sets::SAME, twice())];
        if self.inter_container {
            elements.push((&sets::OPEN, twice()));
        }
        if self.masquerade && !self.internal {
            elements.push((&sets::MASQUERADING, name()));
        }
        if self.internal {
            elements.push((&sets::INTERNAL, name()));
        }
        elements.extend(self.tunnel.iter().flat_map(Tunnel::elements));
        elements
    }
}

impl Tunnel<'_> {
    fn elements(&self) -> Elements {
        let tunnel = || Fields::default().port(self.port).vxlan(self.id);
        let (v6, v4): (Vec<IpAddr>, Vec<_>) = self.peers.iter().partition(|ip| ip.is_ipv6());
        let peers = |ips: Vec<IpAddr>| ips.into_iter().map(|ip| tunnel().ip(ip).key()).collect();
        vec![(&sets::TUNNELS, vec![tunnel().key()]), (&sets::PEERS4, peers(v4)), (&sets::PEERS6, peers(v6))]
    }
}

impl Endpoint<'_> {
    /// What has to be right before anything is made.
    fn check(&self) -> Result<()> {
        check_name(self.network.bridge)?;
        check_name(self.link)?;
        let mixed = self.published.iter().find(|p| p.host.is_ipv4() != p.container.is_ipv4());
        match mixed {
            Some(Published { host, container, .. }) => Err(Error::InvalidPort {
                text: format!("{host} to {container}"),
                why: "no translation leads from one IP version to the other".into(),
            }),
            None => Ok(()),
        }
    }

    /// That its addresses are behind its bridge.
    fn membership(&self) -> Elements {
        let (v6, v4): (Vec<IpAddr>, Vec<_>) = self.addresses.iter().partition(|ip| ip.is_ipv6());
        let on_bridge = |ip: &IpAddr| Fields::default().name(self.network.bridge).ip(*ip).key();
        vec![
            (&sets::MEMBERS4, v4.iter().map(on_bridge).collect()),
            (&sets::MEMBERS6, v6.iter().map(on_bridge).collect()),
        ]
    }

    /// Who the container is on its bridge.
    fn identity(&self) -> Elements {
        let link = || Fields::default().name(self.link);
        let with = |ip: IpAddr| link().ip(ip).key();
        let (v6, v4): (Vec<IpAddr>, Vec<_>) = self.addresses.iter().partition(|ip| ip.is_ipv6());
        let mut six: Vec<_> = v6.iter().copied().map(with).collect();
        if !six.is_empty() {
            // Without these there is no neighbour discovery (RFC 4861): the link's own address, and none before it has one.
            six.extend([self.mac.link_local(), Ipv6Addr::UNSPECIFIED].map(|ip| with(ip.into())));
        }
        vec![
            (&sets::LINKS, vec![link().key()]),
            (&sets::MACS, vec![link().mac(self.mac).key()]),
            (&sets::ADDRESSES4, v4.iter().copied().map(with).collect()),
            (&sets::ADDRESSES6, six),
        ]
    }

    fn ports(&self) -> Elements {
        let into = |map: &'static Set| {
            let published = self.published.iter().filter(|published| published.map().name == map.name);
            (map, published.map(Published::element).collect())
        };
        [&sets::PORTS4, &sets::PORTS6, &sets::PORTS4_AT, &sets::PORTS6_AT].into_iter().map(into).collect()
    }
}

impl Published {
    fn map(&self) -> &'static Set {
        match (self.host, self.host.ip().is_unspecified()) {
            (SocketAddr::V4(_), true) => &sets::PORTS4,
            (SocketAddr::V4(_), false) => &sets::PORTS4_AT,
            (SocketAddr::V6(_), true) => &sets::PORTS6,
            (SocketAddr::V6(_), false) => &sets::PORTS6_AT,
        }
    }

    fn element(&self) -> Element {
        let key = Fields::default().transport(self.transport.number());
        let key = if self.host.ip().is_unspecified() { key } else { key.ip(self.host.ip()) };
        let container = Fields::default().ip(self.container.ip()).port(self.container.port());
        key.port(self.host.port()).leads_to(container)
    }
}

fn ignore(errno: i32, result: Result<()>) -> Result<()> {
    match result {
        Err(error) if error.errno() == Some(errno) => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests;
