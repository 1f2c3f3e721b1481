//! The common part of the drivers with a bridge on the host. A [`BridgeDriver`] says what distinguishes it, and is a
//! [`Driver`] by that.

use std::net::IpAddr;

use hull_network::addresses::{self, Address};
use hull_network::links;
use hull_network::mac::Mac;
use hull_network::netlink::Socket;
use hull_network::nftables::{Tunnel, remove_accept_forwarded};
use hull_network::pool::Pool;
use hull_network::subnet::Subnet;
use hull_network::sysctl;
use hull_storage::root::Root;

use super::{ContainerNamespace, Driver, tunnel_link, veth};
use crate::error::{Error, Result};
use crate::net::context::{Sockets, table};
use crate::net::endpoint::Endpoint;
use crate::net::options::NetworkOptions;
use crate::net::record::NetworkRecord;
use crate::net::subnets;

/// A driver whose containers are behind a bridge on the host. The methods that [`Driver`] has too mean the same.
pub(super) trait BridgeDriver {
    fn name(&self) -> &'static str;
    fn options(&self) -> Vec<&'static str>;
    fn validate(&self, network: &NetworkRecord, others: &[NetworkRecord], route: &mut Socket) -> Result<()>;

    fn is_on_lan(&self) -> bool {
        false
    }

    fn shares_subnet(&self) -> bool {
        true
    }

    fn parent(&self) -> Option<&str> {
        None
    }

    fn tunnel(&self) -> Option<Tunnel<'_>> {
        None
    }

    fn validate_subnets(&self, _: &NetworkOptions, _: &[Subnet]) -> Result<()> {
        Ok(())
    }

    /// The MTU of a new bridge.
    fn bridge_mtu(&self, network: &NetworkRecord, route: &mut Socket) -> Result<u32>;

    /// The MTU of a container's veth pair; `None` for the bridge's. A setting counts for itself, because a bridge that loses
    /// its last port takes the kernel's default MTU again (`br_mtu_auto_adjust`).
    fn veth_mtu(&self, network: &NetworkRecord) -> Option<u32> {
        network.mtu
    }

    /// Adds the driver's own port to the bridge, which is still down.
    fn add_port(&self, _network: &NetworkRecord, _bridge: u32, _: &mut Socket) -> Result<()> {
        Ok(())
    }

    /// Whether the driver's own port is there and up.
    fn has_port(&self, _network: &NetworkRecord, _bridge: u32, _: &mut Socket) -> Result<bool> {
        Ok(true)
    }
}

impl<T: BridgeDriver> Driver for T {
    fn name(&self) -> &'static str {
        BridgeDriver::name(self)
    }

    fn options(&self) -> Vec<&'static str> {
        BridgeDriver::options(self)
    }

    fn is_on_lan(&self) -> bool {
        BridgeDriver::is_on_lan(self)
    }

    fn shares_subnet(&self) -> bool {
        BridgeDriver::shares_subnet(self)
    }

    fn parent(&self) -> Option<&str> {
        BridgeDriver::parent(self)
    }

    fn tunnel(&self) -> Option<Tunnel<'_>> {
        BridgeDriver::tunnel(self)
    }

    fn validate_subnets(&self, options: &NetworkOptions, subnets: &[Subnet]) -> Result<()> {
        BridgeDriver::validate_subnets(self, options, subnets)
    }

    fn validate(&self, network: &NetworkRecord, others: &[NetworkRecord], route: &mut Socket) -> Result<()> {
        BridgeDriver::validate(self, network, others, route)
    }

    /// A bridge is brought up last, so one that is down is incomplete.
    fn find(&self, network: &NetworkRecord, route: &mut Socket) -> Result<Option<u32>> {
        let Some(bridge) = links::find(route, &network.link)? else { return Ok(None) };
        if bridge.kind.as_deref() != Some("bridge") {
            return Err(Error::Invalid {
                what: format!("network {}", network.name),
                why: format!("its bridge's name, {}, is that of another link", network.link),
            });
        }
        let is_complete = bridge.up && self.has_port(network, bridge.index, route)?;
        Ok(is_complete.then_some(bridge.index))
    }

    fn setup(&self, root: &Root, network: &NetworkRecord, sockets: &mut Sockets) -> Result<u32> {
        let existing = links::find(&mut sockets.route, &network.link)?;
        let bridge = match &existing {
            Some(bridge) => Ok(bridge.index),
            None => create_bridge(self, network, &mut sockets.route),
        };
        let made = bridge.and_then(|index| complete(self, root, network, index, sockets).map(|()| index));
        match made {
            // The next start completes or removes what stays.
            Err(error) if existing.is_none() => {
                Err(error.with_undo(Driver::teardown(self, root, network, sockets)))
            }
            made => made,
        }
    }

    /// A parent link becomes the host's own again: it leaves the bridge when the kernel deletes that.
    fn teardown(&self, root: &Root, network: &NetworkRecord, sockets: &mut Sockets) -> Result<()> {
        // The record of a damaged network may have lost its bridge's name.
        if network.link.is_empty() {
            return Ok(());
        }
        let Sockets { route, filter } = sockets;
        for name in [tunnel_link(network), network.link.clone()] {
            if let Some(link) = links::find(route, &name)? {
                links::delete(route, link.index)?;
            }
        }
        table(root).remove_network(filter, &network.rules())?;
        Ok(remove_accept_forwarded(filter, &network.link)?)
    }

    fn attach(
        &self,
        endpoint: &Endpoint,
        link: u32,
        container: &mut ContainerNamespace<'_>,
        host: &mut Socket,
    ) -> Result<()> {
        let mtu = endpoint.mtu.or(self.veth_mtu(&endpoint.network));
        veth::create(endpoint, link, mtu, container.fd, host)?;
        let interface = super::assign_addresses(endpoint, &mut container.route)?;
        links::set_up(&mut container.route, interface)?;
        // The veth pair first: a bridge has a carrier when one of its ports has one.
        links::await_operational(host, &endpoint.link)?;
        Ok(links::await_operational(host, &endpoint.network.link)?)
    }

    fn detach(&self, _: &Root, _: &str, endpoint: &Endpoint, host: &mut Socket) -> Result<()> {
        veth::delete_if_present(host, &endpoint.link)
    }
}

fn create_bridge(driver: &impl BridgeDriver, network: &NetworkRecord, route: &mut Socket) -> Result<u32> {
    subnets::check_routes(network, route)?;
    let mac = Mac::for_address(network.pools.first().map_or(IpAddr::from([0; 4]), Pool::gateway));
    let mtu = driver.bridge_mtu(network, route)?;
    links::create_bridge(route, &links::Bridge { name: &network.link, mac, mtu })?;
    Ok(links::get(route, &network.link)?.index)
}

/// Brings the bridge up in the last step, when it has its addresses, its rules and the driver's port.
fn complete(
    driver: &impl BridgeDriver,
    root: &Root,
    network: &NetworkRecord,
    index: u32,
    sockets: &mut Sockets,
) -> Result<()> {
    let Sockets { route, filter } = sockets;
    // On a LAN another router has the gateway's address.
    for pool in network.pools.iter().filter(|_| !driver.is_on_lan()) {
        let address = Address { link: index, ip: pool.gateway(), prefix: pool.subnet().prefix() };
        match addresses::add(route, address) {
            Err(error) if error.errno() == Some(libc::EEXIST) => {}
            added => added?,
        }
        sysctl::enable_forwarding(pool.subnet().is_ipv6())?;
    }
    table(root).add_network(filter, &network.rules())?;
    driver.add_port(network, index, route)?;
    Ok(links::set_up(route, index)?)
}
