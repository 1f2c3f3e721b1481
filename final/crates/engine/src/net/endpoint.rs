//! A container's place on a network while it runs.

use std::net::{IpAddr, SocketAddr};
use std::time::SystemTime;

use hull_network::mac::Mac;
use hull_network::nftables::{self, Published};
use hull_network::pool::Pool;
use hull_network::ports::Port;
use hull_storage::file;
use serde::{Deserialize, Serialize};

use super::inspect::PublishedPort;
use super::record::NetworkRecord;
use crate::engine::Engine;
use crate::error::Result;

/// One cable: from the network's bridge to an interface of the container.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    pub network: NetworkRecord,
    /// The host's end; of a macvlan, which has none, no more than a name for it.
    pub link: String,
    /// The container's end.
    pub interface: String,
    pub mac: Mac,
    /// One from each of the network's pools, in their order.
    pub addresses: Vec<IpAddr>,
    pub aliases: Vec<String>,
    pub published: Vec<Published>,
}

/// Content of `network.json`.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct NetworkState {
    pub endpoints: Vec<Endpoint>,
    /// Ports that the container's monitor holds, and that none of its networks leads in: it is on none that could.
    #[serde(default)]
    pub waiting: Vec<PublishedPort>,
    /// Ports whose connections a process copies, because no rule can forward them.
    #[serde(default, rename = "relayed")]
    pub proxied: Vec<PublishedPort>,
    /// Ports that a program of an ordinary user's leads in.
    #[serde(default)]
    pub carried: Vec<PublishedPort>,
}

impl NetworkState {
    pub(super) fn load(engine: &Engine, id: &str) -> Result<Self> {
        Ok(file::read_json(&path(engine, id))?.unwrap_or_default())
    }

    pub(super) fn store(&self, engine: &Engine, id: &str) -> Result<()> {
        Ok(file::write_json_atomic(&path(engine, id), self)?)
    }

    /// Leads each port that waits over the first of the networks that has a way in, and an address of its family.
    pub(super) fn publish(&mut self) {
        let endpoints = &mut self.endpoints;
        self.waiting.retain(|port| {
            let inward = endpoints.iter_mut().filter(|endpoint| endpoint.network.has_ingress());
            let led = |endpoint: &mut Endpoint| {
                let published = endpoint.publish(port.host, port.container);
                published.map(|published| endpoint.published.push(published))
            };
            inward.map(led).find(Option::is_some).is_none()
        });
    }

    /// Takes the container off a network. Its ports are led over another one, or wait.
    pub(super) fn remove(&mut self, network: &str) -> Option<Endpoint> {
        let index = self.endpoints.iter().position(|endpoint| endpoint.network.name == network)?;
        let gone = self.endpoints.remove(index);
        self.waiting.extend(gone.published.iter().map(PublishedPort::from));
        self.publish();
        Some(gone)
    }
}

/// The places a container has; none when it does not run, or has no network of its own.
pub(crate) fn endpoints(engine: &Engine, id: &str) -> Result<Vec<Endpoint>> {
    Ok(NetworkState::load(engine, id)?.endpoints)
}

pub(super) fn forget(engine: &Engine, id: &str) -> Result<()> {
    Ok(file::remove(&path(engine, id))?)
}

/// When the places were last changed.
pub(super) fn changed(engine: &Engine, id: &str) -> Option<SystemTime> {
    std::fs::metadata(path(engine, id)).and_then(|file| file.modified()).ok()
}

fn path(engine: &Engine, id: &str) -> std::path::PathBuf {
    engine.root().container_run_dir(id).join("network.json")
}

impl Endpoint {
    /// Each address with the pool it is from.
    pub(crate) fn with_pools(&self) -> impl Iterator<Item = (IpAddr, &Pool)> {
        self.addresses.iter().copied().zip(&self.network.pools)
    }

    pub(crate) fn address(&self, ipv6: bool) -> Option<(IpAddr, &Pool)> {
        self.with_pools().find(|(address, _)| address.is_ipv6() == ipv6)
    }

    /// `None` where the container's packets do not pass the host.
    pub(super) fn rules(&self) -> Option<nftables::Endpoint<'_>> {
        self.network.driver.has_bridge().then(|| nftables::Endpoint {
            network: self.network.rules(),
            link: &self.link,
            mac: self.mac,
            addresses: &self.addresses,
            published: &self.published,
        })
    }

    /// Where packets go that came to a port of the host; `None` where the container has no address of its family.
    pub(super) fn publish(&self, host: SocketAddr, port: Port) -> Option<Published> {
        let (address, _) = self.address(host.is_ipv6())?;
        let container = SocketAddr::new(address, port.number);
        Some(Published { transport: port.transport, host, container })
    }
}
