//! A network's parent: the link of the host's that a macvlan network, or a bridge with a parent, shares.

use hull_network::links::{self, Link};
use hull_network::netlink::Socket;

use crate::error::{Error, ParentProblem, Result};
use crate::net::options::NetworkOptions;

/// The key of `-o`, and the flag, that name the parent.
pub(super) const OPTION: &str = "parent";

/// The parent that the user has named. It is never guessed: a wrong guess would put containers on the wrong LAN.
pub(super) fn from_options(options: &NetworkOptions, driver: &str) -> Result<String> {
    let name = options.options.get(OPTION).ok_or_else(|| Error::Invalid {
        what: format!("{driver} network {}", options.name),
        why: "it needs a link of the host: --parent eth0".into(),
    })?;
    links::check_name(name)?;
    Ok(name.clone())
}

/// Finds the link and checks that containers can share it.
pub(super) fn find(name: &str, route: &mut Socket) -> Result<Link> {
    let refused = |problem| Err(Error::Parent { link: name.into(), problem });
    let Some(link) = links::find(route, name)? else {
        return refused(ParentProblem::Missing);
    };
    if name == "lo" {
        return refused(ParentProblem::Loopback);
    }
    if !link.up {
        return refused(ParentProblem::Down);
    }
    Ok(link)
}
