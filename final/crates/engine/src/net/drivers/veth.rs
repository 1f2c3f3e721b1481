//! A container's veth pair: one end is a port of the network's bridge, the other is an interface of the container.

use std::os::fd::{AsFd, OwnedFd};

use hull_network::links::{self, Namespace, Peer, Veth};
use hull_network::netlink::Socket;
use hull_network::sysctl;

use crate::error::Result;
use crate::net::endpoint::Endpoint;

/// Ethernet's MTU, for a host without a default route whose link could have a smaller one.
pub(in crate::net) const DEFAULT_MTU: u32 = 1500;

/// Creates the pair. The host's end is up; the container's end stays down until it has its addresses.
pub(super) fn create(
    endpoint: &Endpoint,
    bridge: u32,
    mtu: Option<u32>,
    container: &OwnedFd,
    host: &mut Socket,
) -> Result<()> {
    let peer = Peer {
        name: &endpoint.interface,
        mac: Some(endpoint.mac),
        namespace: Namespace::Fd(container.as_fd()),
    };
    let mtu = match mtu {
        Some(mtu) => mtu,
        None => links::find_by_index(host, bridge)?.map_or(DEFAULT_MTU, |bridge| bridge.mtu),
    };
    let veth = Veth { name: &endpoint.link, master: Some(bridge), mtu, peer };
    match links::create_veth(host, &veth) {
        // The pair of the container's previous run, if the kernel has not yet destroyed that network namespace.
        Err(error) if error.errno() == Some(libc::EEXIST) => {
            delete_if_present(host, &endpoint.link)?;
            links::create_veth(host, &veth)?;
        }
        created => created?,
    }
    if !endpoint.network.inter_container {
        let port = links::get(host, &endpoint.link)?.index;
        links::isolate_port(host, port)?;
    }
    allow_published_ports(endpoint, host)
}

/// Sets what published ports need beside the rules.
pub(in crate::net) fn allow_published_ports(endpoint: &Endpoint, host: &mut Socket) -> Result<()> {
    if endpoint.published.is_empty() {
        return Ok(());
    }
    // Only for a network with published ports, which may be published at 127.0.0.1: if another tool flushes the rules that
    // guard this setting, a container can reach what listens on the host's loopback only.
    sysctl::enable_route_localnet(&endpoint.network.link)?;
    let port = links::get(host, &endpoint.link)?.index;
    Ok(links::enable_hairpin(host, port)?)
}

/// Deletes a link of the host's namespace, if it exists. With one end of a veth pair goes the other.
pub(in crate::net) fn delete_if_present(host: &mut Socket, name: &str) -> Result<()> {
    let Some(link) = links::find(host, name)? else { return Ok(()) };
    match links::delete(host, link.index) {
        // The kernel has destroyed its namespace in the meantime.
        Err(error) if error.errno() == Some(libc::ENODEV) => Ok(()),
        deleted => Ok(deleted?),
    }
}
