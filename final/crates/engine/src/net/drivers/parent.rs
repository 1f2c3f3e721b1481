//! A link of the host's that a network shares: a macvlan's, or one that becomes a port of the network's bridge.
//!
//! ```text
//!   the wire ── eth1 (a port) ── hl-… (bridge) ── veth… ══ eth0 of a container
//! ```
//!
//! Of the second kind the host itself has no part: its bridge has no address, and the rules let nothing from there to the
//! host or through it. Unlike a macvlan's, a container's frames are looked at: it can take nobody else's address.

use hull_network::links::{self, Link};
use hull_network::netlink::Socket;
use hull_network::{addresses, sysctl};

use super::Driver;
use crate::error::{Error, Result};
use crate::net::create::NetworkOptions;
use crate::net::record::NetworkRecord;

/// The option of the same name.
pub(in crate::net) const OPTION: &str = "parent";

/// Its name, which has to be said: a guess would put containers where nobody wants them.
pub(in crate::net) fn asked(options: &NetworkOptions, driver: &str) -> Result<String> {
    let name = options.options.get(OPTION).ok_or_else(|| Error::Invalid {
        what: format!("{driver} network {}", options.name),
        why: "it needs a link of the host's: --parent eth0".into(),
    })?;
    links::check_name(name)?;
    Ok(name.clone())
}

/// The link as it is, if containers can be put on it.
pub(in crate::net) fn find(name: &str, route: &mut Socket) -> Result<Link> {
    let refused = |why: &str, hint: &str| {
        Err(Error::Parent { link: name.into(), why: why.into(), hint: hint.replace("LINK", name) })
    };
    let Some(link) = links::find(route, name)? else {
        return refused("there is no such link", "ip link shows those there are");
    };
    if name == "lo" {
        return refused("nobody else is on it", "ip link shows what there is beside it");
    }
    if !link.up {
        return refused("it is down", "ip link set LINK up");
    }
    Ok(link)
}

/// That a link can become the port of a bridge, and the host lose nothing by it.
pub(in crate::net) fn check_port(name: &str, bridge: Option<u32>, route: &mut Socket) -> Result<Link> {
    let link = find(name, route)?;
    let refused = |why: String| {
        let hint = format!("-d macvlan -o parent={name} leaves the link as it is");
        Err(Error::Parent { link: name.into(), why, hint })
    };
    if link.master.is_some() && link.master != bridge {
        return refused("it is a port of another bridge".into());
    }
    if link.kind.as_deref() == Some("bridge") {
        return refused("it is a bridge itself".into());
    }
    // A port's packets go to the bridge, so the host would not be reached there any more.
    let own =
        addresses::list(route, Some(link.index))?.into_iter().find(|address| !is_link_local(address.ip));
    match own {
        Some(address) => refused(format!("the host would lose its address {} there", address.ip)),
        None => Ok(link),
    }
}

fn is_link_local(ip: std::net::IpAddr) -> bool {
    matches!(ip, std::net::IpAddr::V6(ip) if ip.is_unicast_link_local())
}

/// Before the network is made.
pub(in crate::net) fn check_on_host(
    parent: &str,
    network: &NetworkRecord,
    others: &[NetworkRecord],
    route: &mut Socket,
) -> Result<()> {
    let shared = others
        .iter()
        .find(|other| matches!(&other.driver, Driver::Lan { parent: theirs } if theirs == parent));
    if let Some(other) = shared {
        let what = format!("parent {parent} of network {}", network.name);
        return Err(Error::Invalid { what, why: format!("it is network {}'s", other.name) });
    }
    check_port(parent, None, route).map(drop)
}

/// Makes the parent a port of the bridge, which is still down.
pub(in crate::net) fn join(
    parent: &str,
    network: &NetworkRecord,
    bridge: u32,
    route: &mut Socket,
) -> Result<()> {
    let link = check_port(parent, Some(bridge), route)?;
    sysctl::disable_ipv6(&network.link)?;
    Ok(links::set_master(route, link.index, Some(bridge))?)
}

pub(in crate::net) fn has_joined(parent: &str, bridge: u32, route: &mut Socket) -> Result<bool> {
    Ok(links::find(route, parent)?.is_some_and(|link| link.up && link.master == Some(bridge)))
}
