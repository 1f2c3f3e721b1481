//! What a network's containers are plugged into.
//!
//! ```text
//! bridge                  a switch of the host's own: hull0, hl-…                      bridge
//! bridge with a parent    the same, with a link of the host's for one more port        parent
//! macvlan                 no switch: each container is on the parent's wire itself     macvlan
//! vxlan                   a switch on each of several hosts, joined by a tunnel        vxlan
//! ```

pub(in crate::net) mod bridge;
pub(in crate::net) mod macvlan;
pub(in crate::net) mod parent;
pub(in crate::net) mod user_mode;
pub(in crate::net) mod vxlan;

use hull_network::netlink::Socket;
use serde::{Deserialize, Serialize};

use self::macvlan::Macvlan;
use self::vxlan::Vxlan;
use crate::error::{Error, Result};
use crate::net::create::NetworkOptions;
use crate::net::record::NetworkRecord;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    #[default]
    Bridge,
    Lan {
        parent: String,
    },
    Macvlan(Macvlan),
    Vxlan(Vxlan),
}

const OF_BRIDGE: [&str; 5] =
    ["mtu", "bridge.name", "bridge.enable_icc", "bridge.enable_ip_masquerade", "bridge.host_binding_ipv4"];

impl Driver {
    pub(in crate::net) fn chosen(options: &NetworkOptions) -> Result<Self> {
        match options.driver.as_deref() {
            None | Some("bridge") if options.options.contains_key(parent::OPTION) => {
                Ok(Self::Lan { parent: parent::asked(options, "bridge")? })
            }
            None | Some("bridge") => Ok(Self::Bridge),
            Some("macvlan") => Ok(Self::Macvlan(Macvlan::asked(options)?)),
            Some("vxlan") => Ok(Self::Vxlan(Vxlan::asked(options)?)),
            Some(other) => Err(Error::NoSuchDriver(other.to_owned())),
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Bridge | Self::Lan { .. } => "bridge",
            Self::Macvlan(_) => "macvlan",
            Self::Vxlan(_) => "vxlan",
        }
    }

    /// What `-o` takes, without docker's `com.docker.network.` and `driver.` before it.
    pub(in crate::net) fn options(&self) -> Vec<&'static str> {
        match self {
            Self::Bridge => OF_BRIDGE.to_vec(),
            Self::Lan { .. } => vec!["mtu", "bridge.name", parent::OPTION],
            Self::Macvlan(_) => vec!["mtu", parent::OPTION, macvlan::MODE],
            Self::Vxlan(_) => {
                // Containers on other hosts are behind one port of the bridge: to tell them apart is not in its power.
                let of_bridge = OF_BRIDGE.into_iter().filter(|option| *option != "bridge.enable_icc");
                of_bridge.chain(vxlan::OPTIONS).collect()
            }
        }
    }

    /// That the host has what it needs, before the network is written down.
    pub(in crate::net) fn check_on_host(
        &self,
        network: &NetworkRecord,
        others: &[NetworkRecord],
        route: &mut Socket,
    ) -> Result<()> {
        match self {
            Self::Bridge => Ok(()),
            Self::Lan { parent } => parent::check_on_host(parent, network, others, route),
            Self::Macvlan(macvlan) => macvlan.check_on_host(network, route),
            Self::Vxlan(vxlan) => vxlan.check_on_host(network, others, route),
        }
    }

    /// The containers are machines of a LAN, beside the host and not behind it: the addresses are the LAN's, with its
    /// router for a gateway, and the host translates nothing.
    pub(in crate::net) fn is_on_lan(&self) -> bool {
        matches!(self, Self::Lan { .. } | Self::Macvlan(_))
    }

    /// Others give addresses from the same subnet, so that it cannot be hull who chooses it.
    pub(in crate::net) fn shares_subnet(&self) -> bool {
        !matches!(self, Self::Bridge)
    }

    pub(in crate::net) fn has_bridge(&self) -> bool {
        !matches!(self, Self::Macvlan(_))
    }
}

/// What to take for a driver that hull does not have.
pub(crate) fn driver_hint(driver: &str) -> &'static str {
    match driver {
        "ipvlan" => {
            "-d macvlan -o parent=eth0 puts containers on the host's LAN, each with a MAC address of its own"
        }
        "host" | "null" | "none" => {
            "that is no network to be made: hull run --network host, or --network none"
        }
        "overlay" => "-d vxlan --peer ADDRESS connects hosts that know each other, without a swarm",
        _ => "there are bridge, macvlan and vxlan",
    }
}
