//! What a network's containers are plugged into.
//!
//! ```text
//! bridge     a switch of the host's own: hull0, hl-…
//! macvlan    no switch: each container is on the wire of a link of the host's itself
//! ```

use hull_network::netlink::Socket;
use serde::{Deserialize, Serialize};

use super::create::NetworkOptions;
use super::macvlan::{self, Macvlan};
use super::parent;
use super::record::NetworkRecord;
use crate::error::{Error, Result};

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    #[default]
    Bridge,
    Macvlan(Macvlan),
}

impl Driver {
    pub(super) fn chosen(options: &NetworkOptions) -> Result<Self> {
        match options.driver.as_deref() {
            None | Some("bridge") => Ok(Self::Bridge),
            Some("macvlan") => Ok(Self::Macvlan(Macvlan::asked(options)?)),
            Some(other) => Err(Error::NoSuchDriver(other.to_owned())),
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Macvlan(_) => "macvlan",
        }
    }

    /// What `-o` takes, without docker's `com.docker.network.` and `driver.` before it.
    pub(super) fn options(&self) -> &'static [&'static str] {
        match self {
            Self::Bridge => &[
                "mtu",
                "bridge.name",
                "bridge.enable_icc",
                "bridge.enable_ip_masquerade",
                "bridge.host_binding_ipv4",
            ],
            Self::Macvlan(_) => &["mtu", parent::OPTION, macvlan::MODE],
        }
    }

    /// That the host has what it needs, before the network is written down.
    pub(super) fn check_on_host(&self, network: &NetworkRecord, route: &mut Socket) -> Result<()> {
        match self {
            Self::Bridge => Ok(()),
            Self::Macvlan(macvlan) => macvlan.check_on_host(network, route),
        }
    }

    /// The containers are machines of a LAN, beside the host and not behind it: the addresses are the LAN's, with its
    /// router for a gateway, and the host translates nothing.
    pub(super) fn is_on_lan(&self) -> bool {
        matches!(self, Self::Macvlan(_))
    }

    pub(super) fn has_bridge(&self) -> bool {
        !matches!(self, Self::Macvlan(_))
    }
}

/// What to take for a driver that hull does not have.
pub(crate) fn instead_of(driver: &str) -> &'static str {
    match driver {
        "ipvlan" => {
            "-d macvlan -o parent=eth0 puts containers on the host's LAN, each with a MAC address of its own"
        }
        "host" | "null" | "none" => {
            "that is no network to be made: hull run --network host, or --network none"
        }
        _ => "there are bridge and macvlan",
    }
}
