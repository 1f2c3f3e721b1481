//! A container's endpoints: one for each network that it is on, while it runs.

use std::net::{IpAddr, SocketAddr};
use std::time::SystemTime;

use hull_network::mac::Mac;
use hull_network::nftables::{self, Published};
use hull_network::pool::Pool;
use hull_network::ports::{Port, ReservedPort};
use hull_storage::file;
use hull_storage::root::Root;
use serde::{Deserialize, Serialize};

use super::record::NetworkRecord;
use crate::error::Result;
use crate::records::plugged::TrafficLimits;

/// A container's connection to one network: a veth pair or a macvlan, with its addresses and published ports.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    pub network: NetworkRecord,
    /// The name of the veth pair's end on the host. A macvlan has no such end; there it only identifies the endpoint.
    pub link: String,
    /// The name of the container's interface.
    pub interface: String,
    pub mac: Mac,
    /// One address from each of the network's pools, in the pools' order.
    pub addresses: Vec<IpAddr>,
    /// Addresses of the link that the user has asked for (RFC 3927, RFC 4291). They are not leased.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub link_local: Vec<IpAddr>,
    pub aliases: Vec<String>,
    pub published: Vec<Published>,
    /// The settings of the container's interface: `net.ipv4.conf.IFNAME.KEY=VALUE`, with commas between them.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sysctls: String,
    /// The default route is over the endpoint with the highest number, and the first one of these.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub gw_priority: i64,
    #[serde(default, skip_serializing_if = "TrafficLimits::is_default")]
    pub limits: TrafficLimits,
    /// The MTU that its LXD device asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// A published port: the container's port, and its address and port on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PublishedPort {
    pub container: Port,
    pub host: SocketAddr,
}

impl From<&Published> for PublishedPort {
    fn from(published: &Published) -> Self {
        let container = Port { number: published.container.port(), transport: published.transport };
        Self { container, host: published.host }
    }
}

impl From<&ReservedPort> for PublishedPort {
    fn from(reserved: &ReservedPort) -> Self {
        Self { container: reserved.container, host: reserved.host }
    }
}

/// Content of a container's `network.json`.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct NetworkState {
    pub endpoints: Vec<Endpoint>,
    /// Ports that the container's monitor reserves on the host, but that are not forwarded: the container is on no network
    /// over which they can be published.
    #[serde(default, rename = "waiting")]
    pub unpublished: Vec<PublishedPort>,
    /// Ports whose connections a process copies, because no nftables rule can forward them.
    #[serde(default, rename = "relayed")]
    pub proxied: Vec<PublishedPort>,
    /// The container starts beside one that it is to replace: until it takes over, its ports are not forwarded to it, and it
    /// is not found by its aliases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succeeds: Option<String>,
    /// Another container has taken over the ports and aliases.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_succeeded: bool,
    /// Ports that a user-mode network's program publishes.
    #[serde(default, rename = "carried")]
    pub user_mode: Vec<PublishedPort>,
}

impl NetworkState {
    pub(super) fn load(root: &Root, id: &str) -> Result<Self> {
        Ok(file::read_json(&path(root, id))?.unwrap_or_default())
    }

    pub(super) fn store(&self, root: &Root, id: &str) -> Result<()> {
        Ok(file::write_json_atomic(&path(root, id), self)?)
    }

    /// Publishes each port that is not published yet over the first network that can, and on which the container has an
    /// address of the port's family.
    pub(super) fn publish(&mut self) {
        let endpoints = &mut self.endpoints;
        self.unpublished.retain(|port| {
            let usable = endpoints.iter_mut().filter(|endpoint| endpoint.network.can_publish());
            let publish = |endpoint: &mut Endpoint| {
                let published = endpoint.forward(port.host, port.container);
                published.map(|published| endpoint.published.push(published))
            };
            usable.map(publish).find(Option::is_some).is_none()
        });
    }

    /// Removes the container's endpoint on a network. Its ports are published over another network, if possible.
    pub(super) fn remove(&mut self, network: &str) -> Option<Endpoint> {
        let index = self.endpoints.iter().position(|endpoint| endpoint.network.name == network)?;
        let removed = self.endpoints.remove(index);
        self.unpublished.extend(removed.published.iter().map(PublishedPort::from));
        self.publish();
        Some(removed)
    }
}

/// The container's endpoints. None if it does not run, or has no networks.
pub(crate) fn endpoints(root: &Root, id: &str) -> Result<Vec<Endpoint>> {
    Ok(NetworkState::load(root, id)?.endpoints)
}

/// Removes the container's `network.json`, when nothing that it names is left.
pub(super) fn remove_state(root: &Root, id: &str) -> Result<()> {
    Ok(file::remove(&path(root, id))?)
}

/// When the container's `network.json` was last written; `None` if there is none.
pub(super) fn modified(root: &Root, id: &str) -> Option<SystemTime> {
    std::fs::metadata(path(root, id)).and_then(|file| file.modified()).ok()
}

fn path(root: &Root, id: &str) -> std::path::PathBuf {
    root.container_run_dir(id).join("network.json")
}

/// The rules of these endpoints. Those whose packets do not pass the host have none.
pub(super) fn rules(endpoints: &[Endpoint]) -> Vec<nftables::Endpoint<'_>> {
    endpoints.iter().filter_map(Endpoint::rules).collect()
}

impl Endpoint {
    /// Each address with the pool that it is from.
    pub(crate) fn with_pools(&self) -> impl Iterator<Item = (IpAddr, &Pool)> {
        self.addresses.iter().copied().zip(&self.network.pools)
    }

    /// The address of one family, and the pool that it is from.
    pub(crate) fn address(&self, ipv6: bool) -> Option<(IpAddr, &Pool)> {
        self.with_pools().find(|(address, _)| address.is_ipv6() == ipv6)
    }

    /// `None` if the container's packets do not pass the host.
    pub(super) fn rules(&self) -> Option<nftables::Endpoint<'_>> {
        self.network.driver().has_bridge().then(|| nftables::Endpoint {
            network: self.network.rules(),
            link: &self.link,
            mac: self.mac,
            addresses: &self.addresses,
            link_local: &self.link_local,
            published: &self.published,
        })
    }

    /// The forwarding of a host's port to a port of this endpoint; `None` if the endpoint has no address of that family.
    fn forward(&self, host: SocketAddr, port: Port) -> Option<Published> {
        let (address, _) = self.address(host.is_ipv6())?;
        let container = SocketAddr::new(address, port.number);
        Some(Published { transport: port.transport, host, container })
    }
}
