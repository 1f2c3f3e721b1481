//! A network as it is recorded on disk.

use std::collections::BTreeMap;
use std::net::IpAddr;

use hull_network::nftables::Network;
use hull_network::pool::Pool;
use serde::{Deserialize, Serialize};

use super::drivers::{Driver, DriverConfig};
use crate::records::time::Timestamp;

/// The name of the network for containers that name none.
pub const DEFAULT: &str = "bridge";

/// A network: the options that its user gave, and what hull chose.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NetworkRecord {
    pub format: u32,
    pub id: String,
    pub name: String,
    pub created: Timestamp,
    /// The driver with its own settings.
    #[serde(default)]
    pub driver: DriverConfig,
    /// The name of the network's bridge on the host. Empty if the network has no bridge.
    pub link: String,
    /// One pool of IPv4 addresses, and one of IPv6 addresses if the network has IPv6.
    pub pools: Vec<Pool>,
    /// The network is isolated: no packet leaves it and none enters it.
    pub internal: bool,
    /// For swarm's services: only shown.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub attachable: bool,
    /// Options of the management of addresses: only shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipam_options: Option<BTreeMap<String, String>>,
    pub masquerade: bool,
    /// Inter-container communication: whether containers on the network may send to each other (docker's `enable_icc`).
    #[serde(rename = "between_containers")]
    pub inter_container: bool,
    /// `None`: the MTU of the link that the host's default route uses.
    pub mtu: Option<u32>,
    /// The host address for published ports that name none.
    pub host_ip: Option<IpAddr>,
    pub labels: BTreeMap<String, String>,
    /// The options as given with `-o`.
    pub options: BTreeMap<String, String>,
}

impl NetworkRecord {
    pub(crate) const FORMAT: u32 = 1;

    pub(super) fn driver(&self) -> &dyn Driver {
        self.driver.as_driver()
    }

    pub fn is_default(&self) -> bool {
        self.name == DEFAULT
    }

    pub fn has_ipv6(&self) -> bool {
        self.pools.iter().any(|pool| pool.subnet().is_ipv6())
    }

    /// Whether ports can be published over this network: the host has to forward packets into it.
    pub(super) fn can_publish(&self) -> bool {
        !self.internal && !self.driver().is_on_lan()
    }

    /// The network as the packet filter sees it. The host does not forward for a network on a LAN, so the filter treats
    /// such a network as an internal one.
    pub(super) fn rules(&self) -> Network<'_> {
        let on_lan = self.driver().is_on_lan();
        Network {
            bridge: &self.link,
            internal: self.internal || on_lan,
            masquerade: self.masquerade && !on_lan,
            inter_container: self.inter_container,
            tunnel: self.driver().tunnel(),
        }
    }
}
