//! Links of a container that belong to no network of hull: LXD's nics with a `nictype`.
//!
//! ```text
//! bridged  a veth pair, one end on a bridge of the host     macvlan   a macvlan of a link of the host
//! p2p      a veth pair, one end on the host                 physical  a link of the host, moved to the container
//! routed   as p2p, with the container's addresses routed to it
//! ```
//!
//! The kernel destroys these links with the container's network namespace, except physical ones. The monitor moves
//! those back to the host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, OwnedFd};

use hull_network::addresses::{self, Address};
use hull_network::links::{self, Link, MacvlanMode, Namespace, Peer, Veth};
use hull_network::netlink::{Protocol, Socket};
use hull_network::routes::{self, Route};
use hull_network::subnet::Subnet;
use hull_network::{namespace, sysctl, traffic};

use crate::error::{Error, ParentProblem, Result};
use crate::records::plugged::{Nic, NicKind};

/// The gateway of routed containers: the host's end of each routed link has these addresses.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(169, 254, 0, 1);
const GATEWAY_6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

/// Gives a running container the link, unless it has it.
pub(crate) fn add_nic(nic: &Nic, pid: i32) -> Result<()> {
    add(nic, &namespace::of_process(pid)?, &mut Socket::open(Protocol::Route)?)
}

/// Takes the link from a running container, if it has it.
pub(crate) fn remove_nic(nic: &Nic, pid: i32) -> Result<()> {
    let inside = namespace::of_process(pid)?;
    let mut inner = Socket::inside(inside.as_fd(), Protocol::Route)?;
    let Some(link) = links::find(&mut inner, &nic.name)? else { return Ok(()) };
    match nic.kind {
        NicKind::Physical => give_back(nic, &link, &mut inner),
        _ => Ok(links::delete(&mut inner, link.index)?),
    }
}

pub(super) fn add(nic: &Nic, inside: &OwnedFd, host: &mut Socket) -> Result<()> {
    let mut inner = Socket::inside(inside.as_fd(), Protocol::Route)?;
    if links::find(&mut inner, &nic.name)?.is_some() {
        return Ok(());
    }
    match nic.kind {
        NicKind::Bridged | NicKind::P2p | NicKind::Routed => add_pair(nic, inside, host)?,
        NicKind::Macvlan => {
            let parent = parent(nic, host)?;
            let mtu = nic.mtu.unwrap_or(parent.mtu);
            links::create_macvlan(host, parent.index, MacvlanMode::Bridge, mtu, &peer(nic, inside))?;
        }
        NicKind::Physical => {
            let parent = parent(nic, host)?;
            links::move_to(host, parent.index, &nic.name, inside.as_fd())?;
        }
    }
    let link = links::get(&mut inner, &nic.name)?;
    if nic.kind == NicKind::Physical {
        links::change_ethernet(&mut inner, link.index, nic.mac, nic.mtu)?;
    }
    for address in &nic.addresses {
        let prefix = if address.is_ipv6() { 128 } else { 32 };
        addresses::add(&mut inner, Address { link: link.index, ip: *address, prefix })?;
    }
    match nic.kind {
        NicKind::Macvlan => links::set_up_macvlan(&mut inner, link.index)?,
        _ => links::set_up(&mut inner, link.index)?,
    }
    if nic.kind == NicKind::Routed {
        route(nic, &link, &mut inner, host)?;
    }
    Ok(())
}

fn add_pair(nic: &Nic, inside: &OwnedFd, host: &mut Socket) -> Result<()> {
    let bridge = match nic.kind {
        NicKind::Bridged => Some(parent(nic, host)?),
        _ => None,
    };
    if let Some(link) = bridge.as_ref().filter(|link| link.kind.as_deref() != Some("bridge")) {
        return Err(Error::Invalid {
            what: format!("device {}", nic.device),
            why: format!("the parent {} is no bridge; nictype=macvlan takes any link", link.name),
        });
    }
    let mtu = nic.mtu.or(bridge.as_ref().map(|bridge| bridge.mtu)).unwrap_or(super::drivers::DEFAULT_MTU);
    let master = bridge.map(|bridge| bridge.index);
    // The pair of an earlier run may still exist, if the kernel has not destroyed that run's namespace yet.
    super::drivers::delete_if_present(host, &nic.host_name)?;
    let veth = Veth { name: &nic.host_name, master, mtu, peer: peer(nic, inside) };
    links::create_veth(host, &veth)?;
    let limited = limit(nic, host);
    if limited.is_err() {
        let _ = super::drivers::delete_if_present(host, &nic.host_name);
    }
    limited
}

fn limit(nic: &Nic, host: &mut Socket) -> Result<()> {
    if nic.limits.is_default() {
        return Ok(());
    }
    let link = links::get(host, &nic.host_name)?;
    Ok(traffic::limit(host, link.index, nic.limits.ingress, nic.limits.egress)?)
}

fn peer<'a>(nic: &'a Nic, inside: &'a OwnedFd) -> Peer<'a> {
    Peer { name: &nic.name, mac: nic.mac, namespace: Namespace::Fd(inside.as_fd()) }
}

fn parent(nic: &Nic, host: &mut Socket) -> Result<Link> {
    let name = nic.parent.as_deref().unwrap_or_default();
    links::find(host, name)?
        .ok_or_else(|| Error::Parent { link: name.to_owned(), problem: ParentProblem::Missing })
}

/// Routes the container's addresses to its link on the host, and the container's traffic to the host's end of the link.
fn route(nic: &Nic, inner_link: &Link, inner: &mut Socket, host: &mut Socket) -> Result<()> {
    let outer = links::get(host, &nic.host_name)?;
    for ipv6 in [false, true] {
        let own: Vec<IpAddr> = nic.addresses.iter().copied().filter(|ip| ip.is_ipv6() == ipv6).collect();
        if own.is_empty() {
            continue;
        }
        let gateway = if ipv6 { IpAddr::from(GATEWAY_6) } else { IpAddr::from(GATEWAY) };
        let length = if ipv6 { 128 } else { 32 };
        addresses::add(host, Address { link: outer.index, ip: gateway, prefix: length })?;
        sysctl::enable_forwarding(ipv6)?;
        for address in own {
            routes::add(host, to(address, length, outer.index)?)?;
        }
        routes::add(inner, to(gateway, length, inner_link.index)?)?;
        match routes::add(inner, Route::default_via(gateway, inner_link.index)) {
            // The container has a default route already, from a network of hull.
            Err(error) if error.errno() == Some(libc::EEXIST) => {}
            added => added?,
        }
    }
    Ok(())
}

fn to(address: IpAddr, length: u8, link: u32) -> Result<Route> {
    let destination = Subnet::around(address, length)?;
    Ok(Route { destination, gateway: None, link: Some(link), metric: 0 })
}

/// The links of the host that were moved to a container, to be moved back at its end.
#[derive(Default)]
pub(super) struct Borrowed {
    nics: Vec<Nic>,
    /// The container's network namespace, held until the links have been moved back.
    inside: Option<OwnedFd>,
}

impl Borrowed {
    pub(super) fn of(nics: &[Nic], inside: &OwnedFd) -> Result<Self> {
        let nics: Vec<Nic> = nics.iter().filter(|nic| nic.kind == NicKind::Physical).cloned().collect();
        let keeps = !nics.is_empty();
        let inside = keeps.then(|| inside.try_clone()).transpose();
        Ok(Self {
            nics,
            inside: inside.map_err(|source| Error::Io { action: "keep a namespace".into(), source })?,
        })
    }

    pub(super) fn give_back(&mut self) -> Result<()> {
        let Some(inside) = self.inside.take() else { return Ok(()) };
        let mut inner = Socket::inside(inside.as_fd(), Protocol::Route)?;
        for nic in self.nics.drain(..) {
            if let Some(link) = links::find(&mut inner, &nic.name)? {
                give_back(&nic, &link, &mut inner)?;
            }
        }
        Ok(())
    }
}

/// Moves a link from the container back to the host, and gives it its old name.
fn give_back(nic: &Nic, link: &Link, inner: &mut Socket) -> Result<()> {
    let host = namespace::current()?;
    let name = nic.parent.as_deref().unwrap_or(&nic.name);
    Ok(links::move_to(inner, link.index, name, host.as_fd())?)
}
