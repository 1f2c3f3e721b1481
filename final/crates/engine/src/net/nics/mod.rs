//! Links of a container that belong to no network of hull: LXD's nics with a `nictype`.
//!
//! ```text
//! bridged  a veth pair, one end on a bridge of the host     macvlan   a macvlan of a link of the host
//! p2p      a veth pair, one end on the host                 physical  a link of the host, moved to the container
//! routed   as p2p, with the container's addresses routed to it
//! ```
//!
//! The kernel destroys these links with the container's network namespace, except physical ones. The monitor moves
//! those back to the host ([`lent`]).

pub(super) mod lent;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, OwnedFd};

use hull_network::addresses::{self, Address};
use hull_network::links::{self, Link, MacvlanMode, Namespace, Peer, Veth};
use hull_network::netlink::{Protocol, Socket};
use hull_network::routes::{self, Route};
use hull_network::subnet::Subnet;
use hull_network::{namespace, sysctl, traffic};
use hull_storage::root::Root;

use crate::error::{Error, ParentProblem, Result};
use crate::records::find::directories;
use crate::records::plugged::{Nic, NicKind};
use crate::records::record::Record;
use crate::records::snapshot::Snapshot;

/// The gateway of routed containers: the host's end of each routed link has these addresses.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(169, 254, 0, 1);
const GATEWAY_6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

/// Gives a running container the link, unless it has it.
pub(crate) fn add_nic(root: &Root, id: &str, nic: &Nic, pid: i32) -> Result<()> {
    let inside = namespace::of_process(pid)?;
    let mut host = Socket::open(Protocol::Route)?;
    let mut inner = Socket::inside(inside.as_fd(), Protocol::Route)?;
    match find(root, id, nic, (&mut inner, &mut host))? {
        Some(_) => Ok(()),
        None => add(root, id, nic, &inside, &mut host),
    }
}

/// Takes the link from a running container, if it has it, whatever the container calls it and whether or not it is
/// complete.
pub(crate) fn remove_nic(root: &Root, id: &str, nic: &Nic, pid: i32) -> Result<()> {
    let inside = namespace::of_process(pid)?;
    let mut inner = Socket::inside(inside.as_fd(), Protocol::Route)?;
    match nic.kind {
        NicKind::Physical => lent::give_back(root, id, &mut inner, |device| device == nic.device),
        NicKind::Macvlan => match find_macvlan(nic, &mut inner, &mut Socket::open(Protocol::Route)?)? {
            Some(link) => Ok(links::delete(&mut inner, link.index)?),
            None => Ok(()),
        },
        NicKind::Bridged | NicKind::P2p | NicKind::Routed => {
            let mut host = Socket::open(Protocol::Route)?;
            match find(root, id, nic, (&mut inner, &mut host))? {
                Some(link) => Ok(links::delete(&mut inner, link.index)?),
                None if user_of_name(root, id, nic)?.is_some() => Ok(()),
                // The container has moved its end to a namespace of its own.
                None => delete_pair(nic, &mut host),
            }
        }
    }
}

/// The container's link of this device. The container may have renamed it.
fn find(root: &Root, id: &str, nic: &Nic, (inner, host): (&mut Socket, &mut Socket)) -> Result<Option<Link>> {
    match nic.kind {
        NicKind::Physical => lent::find(root, id, &nic.device, inner),
        NicKind::Macvlan => find_macvlan(nic, inner, host),
        NicKind::Bridged | NicKind::P2p | NicKind::Routed => {
            let is_veth = |link: &Link| link.kind.as_deref() == Some("veth");
            let Some(outer) = links::find(host, &nic.host_name)?.filter(is_veth) else { return Ok(None) };
            let peer = outer.link.map_or(Ok(None), |index| links::find_by_index(inner, index))?;
            Ok(peer.filter(|link| is_veth(link) && link.link == Some(outer.index)))
        }
    }
}

fn find_macvlan(nic: &Nic, inner: &mut Socket, host: &mut Socket) -> Result<Option<Link>> {
    // Without its parent the kernel has destroyed the macvlan, too.
    let Some(parent) = links::find(host, nic.parent.as_deref().unwrap_or_default())? else { return Ok(None) };
    let is_its = |link: &Link| {
        link.kind.as_deref() == Some("macvlan")
            && link.link == Some(parent.index)
            && (link.name == nic.name || (link.mac.is_some() && link.mac == nic.mac))
    };
    Ok(links::list(inner)?.into_iter().find(is_its))
}

pub(super) fn add(root: &Root, id: &str, nic: &Nic, inside: &OwnedFd, host: &mut Socket) -> Result<()> {
    let mut inner = Socket::inside(inside.as_fd(), Protocol::Route)?;
    if links::find(&mut inner, &nic.name)?.is_some() {
        return Err(Error::Invalid {
            what: format!("device {}", nic.device),
            why: format!("the container has another link called {}", nic.name),
        });
    }
    let link = match nic.kind {
        NicKind::Bridged | NicKind::P2p | NicKind::Routed => {
            refuse_taken(root, id, nic, host)?;
            add_pair(nic, inside, host)?;
            links::get(&mut inner, &nic.name)?
        }
        NicKind::Macvlan => {
            let parent = parent(nic, host)?;
            let mtu = nic.mtu.unwrap_or(parent.mtu);
            links::create_macvlan(host, parent.index, MacvlanMode::Bridge, mtu, &peer(nic, inside))?;
            links::get(&mut inner, &nic.name)?
        }
        NicKind::Physical => {
            let parent = parent(nic, host)?;
            lent::lend((root, id), nic, &parent, inside.as_fd(), (&mut inner, host))?
        }
    };
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

/// Deletes the pair, by its end on the host. The name of that end may be the user's choice, so another kind of link that
/// has it was not made by hull.
fn delete_pair(nic: &Nic, host: &mut Socket) -> Result<()> {
    match links::find(host, &nic.host_name)? {
        Some(link) if link.kind.as_deref() == Some("veth") => {
            super::drivers::delete_if_present(host, &nic.host_name)
        }
        _ => Ok(()),
    }
}

/// Refuses a name on the host that a link of another running container has.
fn refuse_taken(root: &Root, id: &str, nic: &Nic, host: &mut Socket) -> Result<()> {
    if links::find(host, &nic.host_name)?.is_none() {
        return Ok(());
    }
    match user_of_name(root, id, nic)? {
        None => Ok(()),
        Some(user) => Err(Error::Invalid {
            what: format!("device {}", nic.device),
            why: format!("{} is the name of a link of container {user}", nic.host_name),
        }),
    }
}

/// Another running container with a link that is called so on the host. The user may choose the name for both.
fn user_of_name(root: &Root, id: &str, nic: &Nic) -> Result<Option<String>> {
    for other in directories(&root.containers_dir())?.into_iter().filter(|other| other != id) {
        // A container that is being removed has no link.
        let Ok(record) = Record::load(root, &other) else { continue };
        let has_it = record.options.plugged.nics.iter().any(|one| one.host_name == nic.host_name);
        if has_it && Snapshot::take(root, &other)?.init_pid().is_some() {
            return Ok(Some(record.name));
        }
    }
    Ok(None)
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
    delete_pair(nic, host)?;
    let veth = Veth { name: &nic.host_name, master, mtu, peer: peer(nic, inside) };
    links::create_veth(host, &veth)?;
    let limited = limit(nic, host);
    if limited.is_err() {
        let _ = delete_pair(nic, host);
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

    pub(super) fn give_back(&mut self, root: &Root, id: &str) -> Result<()> {
        let Some(inside) = self.inside.take() else { return Ok(()) };
        let mut inner = Socket::inside(inside.as_fd(), Protocol::Route)?;
        let nics = std::mem::take(&mut self.nics);
        match lent::load(root, id) {
            Ok(Some(_)) => lent::give_back(root, id, &mut inner, |_| true),
            // Somebody has emptied the run root: at least the names on the host are known.
            Ok(None) => nics.iter().try_for_each(|nic| give_back_unrecorded(nic, &mut inner)),
            Err(error) => {
                Err(error.with_undo(nics.iter().try_for_each(|nic| give_back_unrecorded(nic, &mut inner))))
            }
        }
    }
}

fn give_back_unrecorded(nic: &Nic, inner: &mut Socket) -> Result<()> {
    let Some(link) = links::find(inner, &nic.name)? else { return Ok(()) };
    let name = nic.parent.as_deref().unwrap_or(&nic.name);
    Ok(links::move_to(inner, link.index, name, namespace::current()?.as_fd())?)
}
