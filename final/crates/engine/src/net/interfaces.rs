//! A container's cables: laid, led to published ports, and taken away with their rules.

use std::os::fd::{AsFd, OwnedFd};

use hull_network::addresses::{self, Address};
use hull_network::conntrack::forget_udp;
use hull_network::links::{self, Namespace, Peer, Veth};
use hull_network::netlink::{Protocol, Socket};
use hull_network::ports::Transport;
use hull_network::routes::{self, Route};
use hull_network::{namespace, sysctl};

use super::drivers::Driver;
use super::drivers::bridge::{self, Sockets};
use super::drivers::macvlan;
use super::endpoint::Endpoint;
use crate::engine::Engine;
use crate::error::{Error, Result};

/// Makes the rules, then the cables: no packet passes that is not looked at.
pub(super) fn attach(
    engine: &Engine,
    endpoints: &[Endpoint],
    inside: &OwnedFd,
    sockets: &mut Sockets,
) -> Result<()> {
    let rules: Vec<_> = endpoints.iter().filter_map(Endpoint::rules).collect();
    if !rules.is_empty() && bridge::table(engine).attach(&mut sockets.filter, &rules)? {
        // Another tool has flushed them. What cannot be put back for the others is no reason not to start this one.
        let _ = super::reload::all(engine, &mut sockets.filter);
    }
    super::reload::for_neighbours(endpoints, &mut sockets.filter)?;
    let mut inner = Socket::inside(inside.as_fd(), Protocol::Route)?;
    for endpoint in endpoints {
        let ipv6 = endpoint.network.has_ipv6();
        namespace::within(inside.as_fd(), || sysctl::allow_ipv6_on_new_links(ipv6))?;
        let (_, index) = bridge::ready(engine, &endpoint.network.name, sockets)?;
        match &endpoint.network.driver {
            Driver::Macvlan(macvlan) => macvlan.attach(endpoint, index, inside, &mut sockets.route)?,
            _ => create_veth(endpoint, index, inside, &mut sockets.route)?,
        }
        configure(endpoint, &mut inner)?;
        match endpoint.network.driver.has_bridge() {
            // The cable first: with its user_mode comes the bridge's.
            true => {
                links::await_operational(&mut sockets.route, &endpoint.link)?;
                links::await_operational(&mut sockets.route, &endpoint.network.link)?;
            }
            false => links::await_operational(&mut inner, &endpoint.interface)?,
        }
    }
    for ipv6 in [false, true] {
        add_default_route(endpoints, ipv6, &mut inner)?;
    }
    // Somebody may have tried the port before there was anything behind it.
    Ok(forget_udp(&mut sockets.filter, &udp_ports(endpoints))?)
}

fn create_veth(endpoint: &Endpoint, bridge: u32, inside: &OwnedFd, route: &mut Socket) -> Result<()> {
    let peer =
        Peer { name: &endpoint.interface, mac: Some(endpoint.mac), namespace: Namespace::Fd(inside.as_fd()) };
    // When its last port leaves, a bridge gets the kernel's default MTU again (br_mtu_auto_adjust).
    let asked = endpoint.network.mtu.filter(|_| !matches!(endpoint.network.driver, Driver::Vxlan(_)));
    let mtu = match asked {
        Some(mtu) => mtu,
        None => links::find_by_index(route, bridge)?.map_or(1500, |bridge| bridge.mtu),
    };
    let veth = Veth { name: &endpoint.link, master: Some(bridge), mtu, peer };
    match links::create_veth(route, &veth) {
        // Of the container's last run, whose namespace the kernel has yet to clear.
        Err(error) if error.errno() == Some(libc::EEXIST) => {
            remove_link(route, &endpoint.link)?;
            links::create_veth(route, &veth)?;
        }
        made => made?,
    }
    if !endpoint.network.inter_container {
        let port = links::get(route, &endpoint.link)?.index;
        links::isolate_port(route, port)?;
    }
    open_for_ports(endpoint, route)
}

/// What published ports need beside the rules.
fn open_for_ports(endpoint: &Endpoint, route: &mut Socket) -> Result<()> {
    if endpoint.published.is_empty() {
        return Ok(());
    }
    // For one that is asked for at 127.0.0.1. Only where there is one: should another tool flush the rules that make it
    // harmless, a container could reach what the host keeps to itself.
    sysctl::enable_route_localnet(&endpoint.network.link)?;
    let port = links::get(route, &endpoint.link)?.index;
    Ok(links::reflect_port(route, port)?)
}

/// Lets ports in over cables that are laid, when the network is gone over which they came until now.
pub(super) fn forward_ports(engine: &Engine, endpoints: &[Endpoint], sockets: &mut Sockets) -> Result<()> {
    for endpoint in endpoints {
        open_for_ports(endpoint, &mut sockets.route)?;
    }
    let rules: Vec<_> = endpoints.iter().filter_map(Endpoint::rules).collect();
    bridge::table(engine).attach(&mut sockets.filter, &rules)?;
    Ok(forget_udp(&mut sockets.filter, &udp_ports(endpoints))?)
}

fn configure(endpoint: &Endpoint, inner: &mut Socket) -> Result<()> {
    let link = links::get(inner, &endpoint.interface)?.index;
    for (ip, pool) in endpoint.with_pools() {
        addresses::add(inner, Address { link, ip, prefix: pool.subnet().prefix() })?;
    }
    match endpoint.network.driver {
        Driver::Macvlan(_) => macvlan::set_up(endpoint, link, inner),
        _ => Ok(links::set_up(inner, link)?),
    }
}

/// Over the first network that has a way out.
pub(super) fn add_default_route(endpoints: &[Endpoint], ipv6: bool, inner: &mut Socket) -> Result<()> {
    let outward = endpoints.iter().filter(|endpoint| !endpoint.network.internal);
    let gateway = |endpoint: &Endpoint| endpoint.address(ipv6).map(|(_, pool)| pool.gateway());
    let Some((endpoint, gateway)) = outward.filter_map(|one| Some((one, gateway(one)?))).next() else {
        return Ok(());
    };
    let link = links::get(inner, &endpoint.interface)?.index;
    match routes::add(inner, Route::default_via(gateway, link)) {
        Err(error) if error.errno() == Some(libc::EEXIST) => Ok(()),
        added => Ok(added?),
    }
}

/// Takes the rules back, unless they are left to a sweep. The cables go with the container's namespace, without anybody
/// having to wait for it; unless another container has that namespace too.
pub(super) fn detach(
    engine: &Engine,
    id: &str,
    endpoints: &[Endpoint],
    with_rules: bool,
    sockets: &mut Sockets,
) -> Result<()> {
    let rules: Vec<_> = endpoints.iter().filter(|_| with_rules).filter_map(Endpoint::rules).collect();
    let shared = super::recover::is_shared(engine, id);
    let removed = if shared { remove_interfaces(engine, id, endpoints, &mut sockets.route) } else { Ok(()) };
    let detached = bridge::table(engine).detach(&mut sockets.filter, &rules);
    let forgotten = forget_udp(&mut sockets.filter, &udp_ports(endpoints));
    removed.and(detached.and(forgotten).map_err(Error::from))
}

pub(super) fn udp_ports(endpoints: &[Endpoint]) -> Vec<u16> {
    let published = endpoints.iter().flat_map(|endpoint| &endpoint.published);
    let udp = published.filter(|published| published.transport == Transport::Udp);
    udp.map(|published| published.host.port()).collect()
}

pub(super) fn remove_interfaces(
    engine: &Engine,
    id: &str,
    endpoints: &[Endpoint],
    route: &mut Socket,
) -> Result<()> {
    endpoints.iter().try_for_each(|endpoint| match endpoint.network.driver {
        Driver::Macvlan(_) => macvlan::detach(engine, id, endpoint),
        _ => remove_link(route, &endpoint.link),
    })
}

pub(super) fn remove_link(route: &mut Socket, name: &str) -> Result<()> {
    let Some(link) = links::find(route, name)? else { return Ok(()) };
    match links::delete(route, link.index) {
        // It went while we looked.
        Err(error) if error.errno() == Some(libc::ENODEV) => Ok(()),
        deleted => Ok(deleted?),
    }
}
