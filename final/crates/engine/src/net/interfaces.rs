//! A container's interfaces, one for each endpoint: attached with their rules, and detached.

use std::os::fd::{AsFd, OwnedFd};

use hull_docker::flags::endpoint as options;
use hull_network::conntrack::forget_udp;
use hull_network::netlink::{Protocol, Socket};
use hull_network::ports::Transport;
use hull_network::routes::{self, Route};
use hull_network::{links, namespace, sysctl, traffic};
use hull_storage::root::Root;

use super::context::{Context, Sockets, table};
use super::drivers::{ContainerNamespace, allow_published_ports};
use super::endpoint::{self, Endpoint};
use super::{reload, setup, shared};
use crate::error::{Error, Errors, Result};

/// Attaches the container with the network namespace `inside` to its networks. The rules come before the interfaces, so
/// that every packet passes them.
pub(super) fn attach(
    context: Context<'_>,
    endpoints: &[Endpoint],
    inside: &OwnedFd,
    sockets: &mut Sockets,
) -> Result<()> {
    let rules = endpoint::rules(endpoints);
    if !rules.is_empty() && table(context.root).attach(&mut sockets.filter, &rules)? {
        // Another tool has flushed the tables. This container can start even if the other containers' rules cannot be
        // restored.
        let _ = reload::restore_all(context.root, &mut sockets.filter);
    }
    reload::accept_in_iptables(endpoints, &mut sockets.filter)?;
    let route = Socket::inside(inside.as_fd(), Protocol::Route)?;
    let mut container = ContainerNamespace { fd: inside, route };
    for endpoint in endpoints {
        let ipv6 = endpoint.network.has_ipv6();
        namespace::within(inside.as_fd(), || sysctl::allow_ipv6_on_new_links(ipv6))?;
        let (_, link) = setup::ensure(context, &endpoint.network.name, sockets)?;
        endpoint.network.driver().attach(endpoint, link, &mut container, &mut sockets.route)?;
        limit(endpoint, sockets)?;
        if !endpoint.sysctls.is_empty() {
            namespace::within(inside.as_fd(), || set_sysctls(endpoint))?;
        }
    }
    for ipv6 in [false, true] {
        add_default_route(endpoints, ipv6, &mut container.route)?;
    }
    // Packets that came to a port before it was published are remembered as not forwarded.
    Ok(forget_udp(&mut sockets.filter, &udp_ports(endpoints))?)
}

/// Limits the traffic at the host's end of a veth pair. Other links have no end on the host.
fn limit(endpoint: &Endpoint, sockets: &mut Sockets) -> Result<()> {
    if endpoint.limits.is_default() {
        return Ok(());
    }
    if !endpoint.network.driver().has_bridge() {
        return Err(Error::Unsupported(format!(
            "network {} has no bridge on this host, at which traffic could be limited",
            endpoint.network.name
        )));
    }
    let link = links::get(&mut sockets.route, &endpoint.link)?.index;
    Ok(traffic::limit(&mut sockets.route, link, endpoint.limits.ingress, endpoint.limits.egress)?)
}

/// Forwards published ports to endpoints that are attached already, after the endpoint that had them was removed.
pub(super) fn forward_ports(root: &Root, endpoints: &[Endpoint], sockets: &mut Sockets) -> Result<()> {
    for endpoint in endpoints {
        allow_published_ports(endpoint, &mut sockets.route)?;
    }
    table(root).attach(&mut sockets.filter, &endpoint::rules(endpoints))?;
    Ok(forget_udp(&mut sockets.filter, &udp_ports(endpoints))?)
}

/// Sets what was asked for the container's interface, of the calling thread's network namespace.
fn set_sysctls(endpoint: &Endpoint) -> hull_network::Result<()> {
    for (key, value) in options::sysctls(&endpoint.sysctls).unwrap_or_default() {
        sysctl::set_of_link(&key, &endpoint.interface, value)?;
    }
    Ok(())
}

/// Gives the container the default routes of these endpoints, and no other ones.
pub(super) fn renew_default_routes(endpoints: &[Endpoint], inside: &OwnedFd) -> Result<()> {
    let mut inner = Socket::inside(inside.as_fd(), Protocol::Route)?;
    let routes = routes::list(&mut inner)?;
    for route in routes.into_iter().filter(|route| route.destination.prefix() == 0 && route.gateway.is_some())
    {
        routes::remove(&mut inner, route)?;
    }
    for ipv6 in [false, true] {
        add_default_route(endpoints, ipv6, &mut inner)?;
    }
    Ok(())
}

/// Adds the container's default route: over the network with the highest priority of those that are not internal, or the first
/// one of these.
pub(super) fn add_default_route(endpoints: &[Endpoint], ipv6: bool, inner: &mut Socket) -> Result<()> {
    let external = endpoints.iter().filter(|endpoint| !endpoint.network.internal);
    let gateway = |endpoint: &Endpoint| endpoint.address(ipv6).map(|(_, pool)| pool.gateway());
    let usable = external.filter_map(|one| Some((one, gateway(one)?)));
    // Of equal ones `min_by_key` takes the first.
    let Some((endpoint, gateway)) = usable.min_by_key(|(one, _)| std::cmp::Reverse(one.gw_priority)) else {
        return Ok(());
    };
    let link = links::get(inner, &endpoint.interface)?.index;
    match routes::add(inner, Route::default_via(gateway, link)) {
        Err(error) if error.errno() == Some(libc::EEXIST) => Ok(()),
        added => Ok(added?),
    }
}

/// Detaches a container that has ended. Its interfaces are destroyed with its network namespace, in the background; only
/// if another container shares the namespace are they deleted. `with_rules` is false if the rules are removed later
/// ([`super::stale`]).
pub(super) fn detach(
    root: &Root,
    id: &str,
    endpoints: &[Endpoint],
    with_rules: bool,
    sockets: &mut Sockets,
) -> Result<()> {
    let rules = if with_rules { endpoint::rules(endpoints) } else { vec![] };
    let mut errors = Errors::default();
    if shared::is_shared(root, id) {
        errors.note(delete(root, id, endpoints, &mut sockets.route));
    }
    errors.note(table(root).detach(&mut sockets.filter, &rules));
    errors.note(forget_udp(&mut sockets.filter, &udp_ports(endpoints)));
    errors.into_result()
}

/// Deletes the container's interfaces from its network namespace, which stays. Goes on past errors.
pub(super) fn delete(root: &Root, id: &str, endpoints: &[Endpoint], route: &mut Socket) -> Result<()> {
    let mut errors = Errors::default();
    for endpoint in endpoints {
        errors.note(endpoint.network.driver().detach(root, id, endpoint, route));
    }
    errors.into_result()
}

pub(super) fn udp_ports(endpoints: &[Endpoint]) -> Vec<u16> {
    let published = endpoints.iter().flat_map(|endpoint| &endpoint.published);
    let udp = published.filter(|published| published.transport == Transport::Udp);
    udp.map(|published| published.host.port()).collect()
}
