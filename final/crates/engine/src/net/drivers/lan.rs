//! The driver `bridge` with a parent: one of the host's links is a port of the network's bridge, and containers are hosts
//! of that link's LAN.
//!
//! ```text
//!   the LAN ── eth1 (a port) ── hl-… (bridge) ── veth… ══ eth0 of a container
//! ```
//!
//! The host takes no part in the network: the bridge has no address, and the rules let nothing from it to the host or
//! through the host. Unlike a macvlan's, a container's frames pass the bridge's rules: it cannot use another's address.

use hull_network::links::{self, Link};
use hull_network::netlink::Socket;
use hull_network::{addresses, sysctl};
use serde::{Deserialize, Serialize};

use super::host_bridge::BridgeDriver;
use super::{DriverConfig, parent};
use crate::error::{Error, ParentProblem, Result};
use crate::net::options::NetworkOptions;
use crate::net::record::NetworkRecord;

/// The settings of a network that has one of the host's links as a port of its bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lan {
    parent: String,
}

impl Lan {
    pub(super) fn from_options(options: &NetworkOptions) -> Result<Self> {
        Ok(Self { parent: parent::from_options(options, "bridge")? })
    }
}

impl BridgeDriver for Lan {
    fn name(&self) -> &'static str {
        "bridge"
    }

    fn options(&self) -> Vec<&'static str> {
        vec!["mtu", "bridge.name", parent::OPTION]
    }

    fn is_on_lan(&self) -> bool {
        true
    }

    fn parent(&self) -> Option<&str> {
        Some(&self.parent)
    }

    fn validate(&self, network: &NetworkRecord, others: &[NetworkRecord], route: &mut Socket) -> Result<()> {
        // A link is a port of one bridge at most.
        let uses_parent = |other: &&NetworkRecord| matches!(&other.driver, DriverConfig::Lan(lan) if lan.parent == self.parent);
        if let Some(other) = others.iter().find(uses_parent) {
            let what = format!("parent {} of network {}", self.parent, network.name);
            return Err(Error::Invalid { what, why: format!("it is network {}'s", other.name) });
        }
        check_port(&self.parent, None, route).map(drop)
    }

    fn bridge_mtu(&self, network: &NetworkRecord, route: &mut Socket) -> Result<u32> {
        match network.mtu {
            Some(mtu) => Ok(mtu),
            None => Ok(links::get(route, &self.parent)?.mtu),
        }
    }

    fn add_port(&self, network: &NetworkRecord, bridge: u32, route: &mut Socket) -> Result<()> {
        let link = check_port(&self.parent, Some(bridge), route)?;
        sysctl::disable_ipv6(&network.link)?;
        Ok(links::set_master(route, link.index, Some(bridge))?)
    }

    fn has_port(&self, _: &NetworkRecord, bridge: u32, route: &mut Socket) -> Result<bool> {
        Ok(links::find(route, &self.parent)?.is_some_and(|link| link.up && link.master == Some(bridge)))
    }
}

/// Checks that a link can become a port of the bridge without cutting the host off. `bridge` is the network's own, if it
/// exists already.
fn check_port(name: &str, bridge: Option<u32>, route: &mut Socket) -> Result<Link> {
    let link = parent::find(name, route)?;
    let refused = |problem| Err(Error::Parent { link: name.into(), problem });
    if link.master.is_some() && link.master != bridge {
        return refused(ParentProblem::PortOfOtherBridge);
    }
    if link.kind.as_deref() == Some("bridge") {
        return refused(ParentProblem::IsBridge);
    }
    // The kernel hands a port's packets to the bridge, so the host would not receive those for its own address there.
    let own =
        addresses::list(route, Some(link.index))?.into_iter().find(|address| !is_link_local(address.ip));
    match own {
        Some(address) => refused(ParentProblem::HasAddress(address.ip)),
        None => Ok(link),
    }
}

fn is_link_local(ip: std::net::IpAddr) -> bool {
    matches!(ip, std::net::IpAddr::V6(ip) if ip.is_unicast_link_local())
}
