//! Restoring rules that another tool has removed, and removing rules of containers that no longer exist.

use std::collections::BTreeSet;
use std::net::IpAddr;

use hull_network::links::{self, Link};
use hull_network::netlink::Socket;
use hull_network::nftables::accept_forwarded;
use hull_storage::root::Root;

use super::context::{Sockets, table};
use super::endpoint::{self, Endpoint, endpoints};
use crate::error::{Errors, Result};
use crate::records::find::directories;
use crate::records::snapshot::Snapshot;

/// Removes the rules of containers that are not known any more, because their monitor was killed and the run root emptied.
/// Returns the addresses of the containers that are attached, each with its link.
pub(super) fn remove_stale_rules(root: &Root, sockets: &mut Sockets) -> Result<Vec<(IpAddr, Link)>> {
    let table = table(root);
    let contents = table.contents(&mut sockets.filter)?;
    // The order matters: a container is recorded, then in the sets, then attached. So each container in `contents` is found
    // below, unless it is gone. A link that exists has a container at its other end.
    let links = links::list(&mut sockets.route)?;
    let mut known: BTreeSet<String> = links.iter().map(|link| link.name.clone()).collect();
    for id in directories(&root.run().join("containers"))? {
        // The links of a container with a damaged file are known while they exist.
        let endpoints = endpoints(root, &id).unwrap_or_default();
        known.extend(endpoints.into_iter().map(|endpoint| endpoint.link));
    }
    let link = |name: &String| links.iter().find(|link| link.name == *name).cloned();
    let addresses = contents.addresses();
    table.remove_unknown(&mut sockets.filter, contents, |link| known.contains(link))?;
    Ok(addresses.into_iter().filter_map(|(ip, name)| Some((ip, link(&name)?))).collect())
}

/// Restores the rules of all running containers, and goes on past errors. It takes no lock: a container that is
/// starting or ending at the same time adds or removes its own rules, and a port is forwarded to the container whose
/// monitor has reserved it.
pub(super) fn restore_all(root: &Root, filter: &mut Socket) -> Result<()> {
    let mut errors = Errors::default();
    for id in directories(&root.run().join("containers"))? {
        errors.note(match Snapshot::take(root, &id) {
            Ok(snapshot) if snapshot.init_pid().is_some() => restore(root, &id, filter),
            taken => taken.map(drop),
        });
    }
    errors.into_result()
}

fn restore(root: &Root, id: &str, filter: &mut Socket) -> Result<()> {
    let endpoints = endpoints(root, id)?;
    table(root).attach(filter, &endpoint::rules(&endpoints))?;
    accept_in_iptables(&endpoints, filter)
}

/// Has iptables accept forwarded packets of the endpoints' bridges, if its policy is to drop them.
pub(super) fn accept_in_iptables(endpoints: &[Endpoint], filter: &mut Socket) -> Result<()> {
    let accept = |endpoint: &Endpoint| {
        Ok(accept_forwarded(filter, &endpoint.network.link, endpoint.network.has_ipv6())?)
    };
    endpoints.iter().filter(|endpoint| endpoint.network.driver().has_bridge()).try_for_each(accept)
}
