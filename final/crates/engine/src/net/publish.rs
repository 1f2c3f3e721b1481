//! Published ports: reserved on the host by the monitor, and forwarded by nftables rules or, where no rule can, copied by a
//! process ([`super::proxy`]).

use std::net::{IpAddr, Ipv6Addr};

use hull_network::ports::{self, EVERYWHERE, Mapping, ReservedPort, Transport};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::endpoint::{NetworkState, PublishedPort};
use super::record::NetworkRecord;
use crate::error::{Error, Result};

/// Reserves the host's ports that the mappings ask for, and adds to `state` how they reach the container.
pub(super) fn reserve(state: &mut NetworkState, mappings: &[Mapping]) -> Result<Vec<ReservedPort>> {
    // The first network that can publish ports: its settings for published ports apply.
    let network =
        state.endpoints.iter().map(|endpoint| &endpoint.network).find(|network| network.can_publish());
    let network = network.cloned();
    if network.is_none() && !mappings.is_empty() {
        check_not_on_lan(state)?;
    }
    let host_ip = network.as_ref().and_then(|network| network.host_ip);
    let has_ipv6 = network.as_ref().is_some_and(NetworkRecord::has_ipv6);
    let mut reserved = ports::reserve(mappings, host_ip.unwrap_or(EVERYWHERE))?;
    let on_ipv6 = match host_ip {
        None => ipv6_mappings(mappings, &reserved, has_ipv6),
        Some(_) => vec![],
    };
    if has_ipv6 {
        reserved.extend(ports::reserve(&on_ipv6, Ipv6Addr::UNSPECIFIED.into())?);
    }
    let has_network = network.is_some();
    (state.proxied, state.unpublished) =
        reserved.iter().map(PublishedPort::from).partition(|port| has_network && needs_proxy(port, has_ipv6));
    state.publish();
    if !has_ipv6 {
        // A failure is ignored: the host may have no IPv6, or another server may listen at ::1.
        let tcp = on_ipv6.iter().filter(|mapping| mapping.container.transport == Transport::Tcp);
        let tcp = tcp.filter_map(|mapping| ports::reserve(std::slice::from_ref(mapping), EVERYWHERE).ok());
        reserved.extend(tcp.flatten());
    }
    reserved.iter_mut().for_each(ReservedPort::listen);
    match (state.unpublished.first(), network) {
        (Some(port), Some(network)) => Err(Error::Invalid {
            what: format!("port mapping {} to {}", port.host, port.container),
            why: format!("network {} has no addresses of that family", network.name),
        }),
        _ => Ok(reserved),
    }
}

/// The host's ports that another container has, as those of its successor, to which they are not forwarded yet.
pub(super) fn hold(state: &mut NetworkState, reserved: &[ReservedPort]) {
    let has_ipv6 = has_ipv6(state);
    let ports = reserved.iter().filter(|port| has_ipv6 || port.host.is_ipv4()).map(PublishedPort::from);
    state.unpublished = ports.collect();
}

/// Forwards the ports that were held.
pub(super) fn release_held(state: &mut NetworkState) {
    let has_ipv6 = has_ipv6(state);
    let held = std::mem::take(&mut state.unpublished).into_iter();
    (state.proxied, state.unpublished) = held.partition(|port| needs_proxy(port, has_ipv6));
    state.publish();
}

/// Whether the network whose settings for published ports apply has IPv6.
fn has_ipv6(state: &NetworkState) -> bool {
    let networks = state.endpoints.iter().map(|endpoint| &endpoint.network);
    networks.filter(|network| network.can_publish()).map(NetworkRecord::has_ipv6).next().unwrap_or(false)
}

/// A mapping that names no host address publishes on all addresses of both families under the same number. These are the
/// IPv6 mappings: on all addresses, or on ::1 alone if the container has no IPv6 address.
fn ipv6_mappings(mappings: &[Mapping], reserved: &[ReservedPort], has_ipv6: bool) -> Vec<Mapping> {
    let everywhere = mappings.iter().zip(reserved).filter(|(mapping, _)| mapping.host_ip.is_none());
    let on_ipv6 = |(mapping, reserved): (&Mapping, &ReservedPort)| {
        let port = reserved.host.port();
        let host_ip = (!has_ipv6).then_some(IpAddr::from(Ipv6Addr::LOCALHOST));
        Mapping { host: Some((port, port)), host_ip, ..mapping.clone() }
    };
    everywhere.map(on_ipv6).collect()
}

fn check_not_on_lan(state: &NetworkState) -> Result<()> {
    match state.endpoints.iter().find(|endpoint| endpoint.network.driver().is_on_lan()) {
        None => Ok(()),
        Some(endpoint) => Err(Error::Invalid {
            what: format!("port of a container on network {}", endpoint.network.name),
            why: "its containers are on the LAN, where all their ports are open; leave -p out".into(),
        }),
    }
}

/// Whether no nftables rule can forward the port, so that a process has to copy its connections: to ::1, and over IPv6 to a
/// container without an IPv6 address.
fn needs_proxy(port: &PublishedPort, has_ipv6: bool) -> bool {
    let IpAddr::V6(ip) = port.host.ip() else { return false };
    port.container.transport == Transport::Tcp && (ip.is_loopback() || !has_ipv6)
}

/// Raises the soft limit of open files to the hard limit, if reserving this many ports could exceed it. Returns the limits
/// from before if so: the container is to have those.
pub(super) fn raise_descriptor_limit(ports: usize) -> Option<Rlimit> {
    let before = getrlimit(Resource::Nofile);
    let enough = before.current.is_none_or(|limit| limit > ports as u64 + OTHER_DESCRIPTORS);
    let raised = Rlimit { current: before.maximum, maximum: before.maximum };
    (!enough && setrlimit(Resource::Nofile, raised).is_ok()).then_some(before)
}

/// More descriptors than a monitor has beside the ports': a few, and one or two for each client.
const OTHER_DESCRIPTORS: u64 = 256;
