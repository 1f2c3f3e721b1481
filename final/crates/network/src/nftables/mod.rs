//! Packet filtering and address translation, by nf_tables over nfnetlink.
//!
//! The rules are written once and stay (`ruleset`). They look packets up in sets (`sets`), and each container is a few
//! elements of these, added and removed in one transaction (`batch`). So publishing a port costs the same with thousands of
//! ports as with none.
//!
//! ```text
//! to a published port    prerouting or output: map ports4 to the container ─▶ forward ─▶ postrouting
//! out of a container     ports (bridge): check the source ─▶ guard ─▶ forward ─▶ postrouting: masquerade
//! container to container on one network: ports (bridge) only · on two networks: forward drops it
//! ```
//!
//! There are two tables with the same name: one of family `inet`, and one of family `bridge` for frames between two containers
//! on a network. If the state root is not the default one, its suffix is in the name. No other table is changed, except by
//! `iptables`.

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
pub use iptables::{accept_forwarded, remove_accept_forwarded};
use kernel::{NFPROTO_BRIDGE, NFPROTO_INET};
use sets::{Element, Fields, Set};
pub use stale::TableContents;

/// hull's tables.
#[derive(Debug, Clone)]
pub struct Table {
    name: String,
}

/// A network as the rules know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network<'a> {
    pub bridge: &'a str,
    /// Packets neither leave the network nor enter it.
    pub internal: bool,
    /// Packets that leave the network get the host's address.
    pub masquerade: bool,
    /// Containers may communicate with each other. The rules decide on routed packets; frames between ports of the bridge
    /// are blocked by [`crate::links::isolate_port`].
    pub inter_container: bool,
    /// The tunnel to the same network on other hosts.
    pub tunnel: Option<Tunnel<'a>>,
}

/// A VXLAN, from whose peers frames are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tunnel<'a> {
    /// The UDP port on the host.
    pub port: u16,
    pub id: u32,
    pub peers: &'a [IpAddr],
}

/// A container's endpoint on a network, with its published ports.
#[derive(Debug, Clone)]
pub struct Endpoint<'a> {
    pub network: Network<'a>,
    /// The name of the veth pair's end on the host.
    pub link: &'a str,
    pub mac: Mac,
    /// The only source addresses that the bridge accepts from the container. Without an IPv6 address it accepts no IPv6.
    pub addresses: &'a [IpAddr],
    /// More source addresses that the bridge accepts. Nothing is forwarded to them.
    pub link_local: &'a [IpAddr],
    pub published: &'a [Published],
}

/// A host's port that is forwarded to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    pub transport: Transport,
    /// 0.0.0.0 and :: mean all addresses of the host.
    pub host: SocketAddr,
    /// The target, of the same family.
    pub container: SocketAddr,
}

impl Table {
    /// `suffix` is the state root's ([`hull_storage::root::Root::name_suffix`]).
    pub fn new(suffix: &str) -> Self {
        Self { name: format!("hull{suffix}") }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Creates the tables with their rules, or restores the rules. Existing elements stay.
    pub fn ensure(&self, socket: &mut Socket) -> Result<()> {
        let mut batch = Batch::on(&self.name);
        ruleset::put(&mut batch);
        let action = || format!("create the nftables table {}", self.name);
        match batch.commit(socket, action) {
            // All that the rules refer to is created in the same transaction. So the kernel does not have one of the
            // instructions.
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

    /// Adds a container's endpoints, in one transaction. Tables and networks that are missing are added too.
    ///
    /// The caller has reserved each published port ([`crate::ports`]). So an element that the maps already have for a port is
    /// that of a container that has ended, and is replaced.
    ///
    /// True if the tables were missing, and so the elements of all other containers too.
    pub fn attach(&self, socket: &mut Socket, endpoints: &[Endpoint<'_>]) -> Result<bool> {
        endpoints.iter().try_for_each(Endpoint::check)?;
        match self.add(socket, endpoints) {
            Err(error) if error.errno() == Some(libc::ENOENT) => {
                self.ensure(socket)?;
                self.add(socket, endpoints).map(|()| true)
            }
            // Before Linux 5.7 the error for a map's element with other data was EBUSY.
            Err(error) if matches!(error.errno(), Some(libc::EEXIST | libc::EBUSY)) => {
                self.remove_keys(socket, endpoints.iter().flat_map(|endpoint| endpoint.ports()).collect())?;
                self.add(socket, endpoints).map(|()| false)
            }
            added => added.map(|()| false),
        }
    }

    /// Forwards the published ports to other endpoints than before, in one transaction: a packet finds the one or the other.
    pub fn move_ports(&self, socket: &mut Socket, from: &[Endpoint<'_>], to: &[Endpoint<'_>]) -> Result<()> {
        to.iter().try_for_each(Endpoint::check)?;
        let mut batch = Batch::on(&self.name);
        for (set, elements) in from.iter().flat_map(Endpoint::ports) {
            batch.delete_elements(set, &elements);
        }
        for (set, elements) in to.iter().flat_map(Endpoint::ports) {
            batch.add_elements(set, &elements);
        }
        match batch.commit(socket, || format!("move ports in the nftables table {}", self.name)) {
            // Those before are gone: nothing has to be replaced, or another tool has flushed the tables.
            Err(error) if matches!(error.errno(), Some(libc::ENOENT | libc::EEXIST | libc::EBUSY)) => {
                self.attach(socket, to).map(drop)
            }
            moved => moved,
        }
    }

    /// Adds a network, before it has a container.
    pub fn add_network(&self, socket: &mut Socket, network: &Network<'_>) -> Result<()> {
        check_name(network.bridge)?;
        self.ensure(socket)?;
        let mut batch = Batch::on(&self.name);
        network.elements().iter().for_each(|(set, elements)| batch.add_elements(set, elements));
        batch.commit(socket, || format!("add the network to the nftables table {}", self.name))
    }

    /// Removes a container's endpoints. Elements that are missing are no error; the networks stay.
    pub fn detach(&self, socket: &mut Socket, endpoints: &[Endpoint<'_>]) -> Result<()> {
        let elements = endpoints.iter().flat_map(|e| [e.ports(), e.identity(), e.membership()].concat());
        self.remove(socket, elements.collect())
    }

    /// Removes the endpoints of ended containers without published ports. The addresses in `leased` have been leased to other
    /// containers, so their membership of the network stays.
    pub fn detach_stale(
        &self,
        socket: &mut Socket,
        endpoints: &[Endpoint<'_>],
        leased: &[IpAddr],
    ) -> Result<()> {
        let mut gone = Elements::new();
        for endpoint in endpoints {
            let is_free = |ip: &&IpAddr| !leased.contains(ip);
            let addresses: Vec<_> = endpoint.addresses.iter().filter(is_free).copied().collect();
            let member = Endpoint { addresses: &addresses, ..endpoint.clone() };
            for (set, elements) in [endpoint.identity(), member.membership()].concat() {
                match gone.iter_mut().find(|(there, _)| there.name == set.name) {
                    Some((_, there)) => there.extend(elements),
                    None => gone.push((set, elements)),
                }
            }
        }
        // The same element twice would fail the transaction. A container that was run twice may have had the same address.
        for (_, elements) in &mut gone {
            elements.sort_unstable();
            elements.dedup();
        }
        self.remove(socket, gone)
    }

    /// Removes a network that has no containers.
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

    /// Removes the elements with these keys, whatever their data.
    fn remove_keys(&self, socket: &mut Socket, elements: Elements) -> Result<()> {
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

    /// Removes elements, in one transaction if possible. Each is added before it is removed, because removing a missing
    /// element would fail the transaction, which takes the kernel some 10 ms. Adding also protects another container's port:
    /// if a map's key has other data, the kernel refuses the transaction, and the elements are removed one by one.
    fn remove(&self, socket: &mut Socket, elements: Vec<(&Set, Vec<Element>)>) -> Result<()> {
        let remove = |elements: &[(&Set, &[Element])], socket: &mut Socket| {
            let mut batch = Batch::on(&self.name);
            elements.iter().for_each(|(set, elements)| batch.add_elements(set, elements));
            elements.iter().for_each(|(set, elements)| batch.delete_elements(set, elements));
            batch.commit(socket, || format!("remove the container from the nftables table {}", self.name))
        };
        let all: Vec<_> = elements.iter().map(|(set, elements)| (*set, elements.as_slice())).collect();
        match remove(&all, socket) {
            // There is no table.
            Err(error) if error.errno() == Some(libc::ENOENT) => return Ok(()),
            Err(error) if matches!(error.errno(), Some(libc::EEXIST | libc::EBUSY)) => {}
            removed => return removed,
        }
        for (set, elements) in &elements {
            for element in elements {
                match remove(&[(set, std::slice::from_ref(element))], socket) {
                    Err(error)
                        if matches!(error.errno(), Some(libc::EEXIST | libc::EBUSY | libc::ENOENT)) => {}
                    removed => removed?,
                }
            }
        }
        Ok(())
    }
}

/// Elements of several sets.
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
    /// Checks the endpoint before anything is added.
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

    /// The elements that place the endpoint's addresses behind its bridge.
    fn membership(&self) -> Elements {
        let (v6, v4): (Vec<IpAddr>, Vec<_>) = self.addresses.iter().partition(|ip| ip.is_ipv6());
        let on_bridge = |ip: &IpAddr| Fields::default().name(self.network.bridge).ip(*ip).key();
        vec![
            (&sets::MEMBERS4, v4.iter().map(on_bridge).collect()),
            (&sets::MEMBERS6, v6.iter().map(on_bridge).collect()),
        ]
    }

    /// The elements by which the bridge accepts the container's frames.
    fn identity(&self) -> Elements {
        let link = || Fields::default().name(self.link);
        let with = |ip: IpAddr| link().ip(ip).key();
        let all = self.addresses.iter().chain(self.link_local);
        let (v6, v4): (Vec<IpAddr>, Vec<_>) = all.partition(|ip| ip.is_ipv6());
        let mut six: Vec<_> = v6.iter().copied().map(with).collect();
        if !six.is_empty() {
            // Neighbour discovery (RFC 4861) also uses the link-local address, and the unspecified one before an address is
            // assigned.
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
        key.port(self.host.port()).with_data(container)
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
