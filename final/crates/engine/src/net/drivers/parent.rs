//! A network's parent: the link of the host's that a macvlan network, or a bridge with a parent, shares.

use hull_network::links::{self, Link};
use hull_network::netlink::Socket;

use crate::error::{Error, Result};
use crate::net::create::NetworkOptions;

/// The key of `-o`, and the flag, that name the parent.
pub(super) const OPTION: &str = "parent";

/// The parent that the user has named. It is never guessed: a wrong guess would put containers on the wrong LAN.
pub(super) fn from_options(options: &NetworkOptions, driver: &str) -> Result<String> {
    let name = options.options.get(OPTION).ok_or_else(|| Error::Invalid {
        what: format!("{driver} network {}", options.name),
        why: "it needs a link of the host's: --parent eth0".into(),
    })?;
    links::check_name(name)?;
    Ok(name.clone())
}

/// Finds the link and checks that containers can share it.
pub(super) fn find(name: &str, route: &mut Socket) -> Result<Link> {
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
