//! A link of the host's that a network shares.

use hull_network::links::{self, Link};
use hull_network::netlink::Socket;

use super::create::NetworkOptions;
use crate::error::{Error, Result};

/// The option of the same name.
pub(super) const OPTION: &str = "parent";

/// Its name, which has to be said: a guess would put containers where nobody wants them.
pub(super) fn asked(options: &NetworkOptions, driver: &str) -> Result<String> {
    let name = options.options.get(OPTION).ok_or_else(|| Error::Invalid {
        what: format!("{driver} network {}", options.name),
        why: "it needs a link of the host's: --parent eth0".into(),
    })?;
    links::check_name(name)?;
    Ok(name.clone())
}

/// The link as it is, if containers can be put on it.
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
