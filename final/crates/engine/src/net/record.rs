//! Networks on disk.
//!
//! ```text
//! <data>/networks/<name>.json          a user's network
//! <run>/networks/bridge/network.json   the default one: its subnet is chosen when its link is made
//! <run>/networks/<name>/use.lock       shared while a container takes a place, alone while the network is made or removed
//! ```

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use hull_network::nftables::Network;
use hull_network::pool::Pool;
use hull_storage::file;
use hull_storage::lock::Lock;
use hull_storage::root::make_dirs;
use serde::{Deserialize, Serialize};

use super::drivers::Driver;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::records::time::Timestamp;

/// The network of who names none.
pub const DEFAULT: &str = "bridge";

/// A network: what was asked, and what was chosen.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NetworkRecord {
    pub format: u32,
    pub id: String,
    pub name: String,
    pub created: Timestamp,
    #[serde(default)]
    pub driver: Driver,
    /// The bridge's name on the host; empty where there is none.
    pub link: String,
    /// One of IPv4, and one of IPv6 where asked for.
    pub pools: Vec<Pool>,
    /// No way out and none in.
    pub internal: bool,
    pub masquerade: bool,
    /// Whether its containers may communicate with each other (docker's `enable_icc`).
    #[serde(rename = "between_containers")]
    pub inter_container: bool,
    /// None: the default route's.
    pub mtu: Option<u32>,
    /// Where ports are published that name no address.
    pub host_ip: Option<IpAddr>,
    pub labels: BTreeMap<String, String>,
    /// As given with `-o`.
    pub options: BTreeMap<String, String>,
}

impl NetworkRecord {
    pub(crate) const FORMAT: u32 = 1;

    pub fn is_default(&self) -> bool {
        self.name == DEFAULT
    }

    pub fn has_ipv6(&self) -> bool {
        self.pools.iter().any(|pool| pool.subnet().is_ipv6())
    }

    /// Whether published ports can lead in over this network.
    pub(super) fn has_ingress(&self) -> bool {
        !self.internal && !self.driver.is_on_lan()
    }

    /// On a LAN the host takes no part, which to the rules is a network without a way out through it.
    pub(super) fn rules(&self) -> Network<'_> {
        let on_lan = self.driver.is_on_lan();
        Network {
            bridge: &self.link,
            internal: self.internal || on_lan,
            masquerade: self.masquerade && !on_lan,
            inter_container: self.inter_container,
            tunnel: match &self.driver {
                Driver::Vxlan(vxlan) => Some(vxlan.rules()),
                _ => None,
            },
        }
    }
}

impl Engine {
    /// A network by its name. `None` when there is none, and for a default network that nobody has used yet.
    pub(crate) fn load_network(&self, name: &str) -> Result<Option<NetworkRecord>> {
        if !hull_storage::names::is_valid(name) {
            return Ok(None);
        }
        let path = self.network_file(name);
        let record = file::read_json::<NetworkRecord>(&path).and_then(|record| match record {
            // What belongs to a network is found, and removed, by this name.
            Some(record) if record.name != name => {
                let source = serde::de::Error::custom(format!("it is of a network named {:?}", record.name));
                Err(hull_storage::Error::Damaged { path, source })
            }
            record => Ok(record),
        });
        match record {
            // Nobody gave it anything: it is chosen anew, with the addresses that its bridge has.
            Err(hull_storage::Error::Damaged { .. }) if name == DEFAULT => Ok(None),
            record => Ok(record?),
        }
    }

    pub(super) fn store_network(&self, network: &NetworkRecord) -> Result<()> {
        Ok(file::write_json_atomic(&self.network_file(&network.name), network)?)
    }

    pub(crate) fn networks_dir(&self) -> PathBuf {
        self.root().data().join("networks")
    }

    pub(crate) fn network_run_dir(&self, name: &str) -> PathBuf {
        self.root().run().join("networks").join(name)
    }

    pub(crate) fn network_file(&self, name: &str) -> PathBuf {
        match name {
            DEFAULT => self.network_run_dir(name).join("network.json"),
            _ => self.networks_dir().join(format!("{name}.json")),
        }
    }

    /// ReservedPort while a container takes its place.
    pub(super) fn lock_network_in_use(&self, name: &str) -> Result<Lock> {
        Ok(Lock::shared(&self.network_lock_file(name)?)?)
    }

    /// ReservedPort while the network, or its link, is made or removed.
    pub(super) fn lock_network(&self, name: &str) -> Result<Lock> {
        Ok(Lock::exclusive(&self.network_lock_file(name)?)?)
    }

    fn network_lock_file(&self, name: &str) -> Result<PathBuf> {
        let directory = self.network_run_dir(name);
        make_dirs(&directory, 0o710)?;
        Ok(directory.join("use.lock"))
    }

    /// What `--network NAME` means; an error where there is no such network.
    pub(crate) fn check_network(&self, name: &str) -> Result<()> {
        match name == DEFAULT || self.load_network(name)?.is_some() {
            true => Ok(()),
            false => Err(Error::NoSuchNetwork(name.to_owned())),
        }
    }
}
