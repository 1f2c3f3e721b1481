//! Choosing and checking the subnets of networks.

use std::net::Ipv6Addr;

use hull_network::netlink::Socket;
use hull_network::pool::{self, Pool};
use hull_network::routes;
use hull_network::subnet::Subnet;

use super::context::Context;
use super::record::NetworkRecord;
use super::store;
use crate::error::{Error, Result};
use crate::records::ids::random;

/// A subnet that neither the host nor another network of this root uses.
pub(super) fn choose(context: Context<'_>, route: &mut Socket) -> Result<Subnet> {
    let taken: Vec<_> =
        store::all(context.root)?.iter().flat_map(|network| &network.pools).map(Pool::subnet).collect();
    let pools = context.defaults()?.pools.iter();
    let pools = pools.map(|((address, prefix), size)| Ok((Subnet::around(*address, *prefix)?, *size)));
    let pools = pools.collect::<Result<Vec<_>>>()?;
    pool::choose_subnet(route, &taken, &pools)?.ok_or_else(|| Error::Invalid {
        what: "network".into(),
        why: "all private subnets are in use; name one with --subnet".into(),
    })
}

/// A unique local subnet, its 40 bits of global id drawn at random as RFC 4193 asks.
pub(super) fn random_ipv6() -> Result<Subnet> {
    let [a, b, c, d, e] = random()?;
    let prefix = [0xfd, a, b, c, d, e, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    Ok(Subnet::around(Ipv6Addr::from(prefix).into(), 64)?)
}

/// Refuses a network whose bridge would take packets away from a route that the host has.
pub(super) fn check_routes(network: &NetworkRecord, route: &mut Socket) -> Result<()> {
    match conflicting_route(network, route)? {
        None => Ok(()),
        Some(found) => Err(Error::Invalid {
            what: format!("network {}", network.name),
            why: format!("the host already reaches {} another way", found.destination),
        }),
    }
}

/// The host's route that a network with these addresses would cut off. On a LAN there is none: the host gets no address
/// there, and so no route.
pub(super) fn conflicting_route(
    network: &NetworkRecord,
    route: &mut Socket,
) -> Result<Option<routes::Route>> {
    if network.driver().is_on_lan() {
        return Ok(None);
    }
    for pool in &network.pools {
        if let Some(found) = routes::conflict(route, pool.subnet())? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
