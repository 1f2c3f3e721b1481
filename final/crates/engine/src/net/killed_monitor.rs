//! Removes what a killed monitor has left of its container's networks.

use hull_network::leases::Leases;
use hull_storage::root::Root;

use super::context::{Sockets, table};
use super::drivers::delete_if_present;
use super::{Endpoint, allocate, endpoint, expose, interfaces, nics, reload, stale};
use crate::error::{Errors, Result};

/// Removes it all, after the container's processes are dead, and under the container's lock.
pub(crate) fn clear(root: &Root, id: &str) -> Result<()> {
    let mut errors = Errors::default();
    errors.note(expose::remove(root, id));
    errors.note(nics::lent::restore(root, id));
    errors.note(match endpoint::endpoints(root, id) {
        Err(error) if error.is_damage() => clear_unknown(root, id),
        Ok(endpoints) if endpoints.is_empty() => Ok(()),
        endpoints => endpoints.and_then(|endpoints| clear_endpoints(root, id, &endpoints)),
    });
    errors.into_result()
}

fn clear_endpoints(root: &Root, id: &str, endpoints: &[Endpoint]) -> Result<()> {
    let mut errors = Errors::default();
    let mut sockets = Sockets::open()?;
    errors.note(interfaces::delete(root, id, endpoints, &mut sockets.route));
    // The container's ports were free from the monitor's death on, and may be another container's. `detach` removes only
    // forwarding to this container.
    errors.note(table(root).detach(&mut sockets.filter, &endpoint::rules(endpoints)));
    errors.note(allocate::release(root, id, endpoints));
    // The file stays if anything could not be removed: the next command that looks at the container tries again.
    errors.into_result()?;
    endpoint::remove_state(root, id)?;
    stale::remove_if_due(root, endpoints, &mut sockets.filter)
}

/// Does the same if the container's `network.json` is damaged. The leases tell its addresses, and the rules tell which
/// links have these addresses.
fn clear_unknown(root: &Root, id: &str) -> Result<()> {
    let networks = root.run().join("networks");
    let mut addresses = Vec::new();
    for entry in std::fs::read_dir(&networks).into_iter().flatten().flatten() {
        if let Some(network) = entry.file_name().to_str() {
            addresses.extend(Leases::open(root.run(), network)?.release_all(id)?);
        }
    }
    if !addresses.is_empty() {
        let mut sockets = Sockets::open()?;
        let listed = table(root).contents(&mut sockets.filter)?.addresses();
        for (_, link) in listed.iter().filter(|(address, _)| addresses.contains(address)) {
            delete_if_present(&mut sockets.route, link)?;
        }
        reload::remove_stale_rules(root, &mut sockets)?;
    }
    endpoint::remove_state(root, id)
}

/// Removes the rules of a container that lost its run root, and then its monitor. Its link is destroyed with its network
/// namespace.
pub(crate) fn clear_lost(root: &Root) -> Result<()> {
    reload::remove_stale_rules(root, &mut Sockets::open()?).map(drop)
}
