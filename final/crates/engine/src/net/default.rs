//! The default network, which is created with the first container that needs it.

use hull_network::netlink::Socket;
use hull_network::pool::Pool;
use hull_network::subnet::Subnet;
use hull_network::{addresses, links};

use super::context::{Context, Sockets};
use super::drivers::DriverConfig;
use super::record::{DEFAULT, NetworkRecord};
use super::{store, subnets};
use crate::engine::NetworkDefaults;
use crate::error::Result;
use crate::records::ids::random_id;
use crate::records::time::Timestamp;

/// The default network's record. If nobody has used the network yet, its record is made, but no bridge.
pub(super) fn record(context: Context<'_>) -> Result<NetworkRecord> {
    let _lock = store::lock_exclusive(context.root, DEFAULT)?;
    load_or_choose(context, &mut Sockets::open()?.route)
}

/// Under the network's exclusive lock: the default network as recorded, or a new record with a subnet that nobody uses.
/// While its bridge exists the network keeps its record, because containers may be on it.
pub(super) fn load_or_choose(context: Context<'_>, route: &mut Socket) -> Result<NetworkRecord> {
    let defaults = context.defaults()?;
    let root = context.root;
    let known = store::load(root, DEFAULT)?;
    let link = format!("hull0{}", root.name_suffix());
    let bridge = links::find(route, &link)?;
    if let Some(known) = known
        && (bridge.is_some()
            || has_gateway(&known, defaults) && subnets::conflicting_route(&known, route)?.is_none())
    {
        return Ok(known);
    }
    let subnet = match bridge {
        // The bridge outlives its record if somebody empties the run root.
        Some(bridge) => subnet_of_link(bridge.index, route)?,
        None => None,
    };
    let network = NetworkRecord {
        format: NetworkRecord::FORMAT,
        id: random_id()?,
        name: DEFAULT.into(),
        created: Timestamp::now(),
        driver: DriverConfig::Bridge,
        link,
        pools: vec![pool(context, subnet, route)?],
        internal: false,
        attachable: false,
        ipam_options: None,
        masquerade: defaults.masquerade.unwrap_or(true),
        inter_container: defaults.inter_container.unwrap_or(true),
        mtu: defaults.mtu,
        host_ip: defaults.host_ip,
        labels: Default::default(),
        options: Default::default(),
    };
    store::store(root, &network)?;
    Ok(network)
}

/// Whether the recorded network has the gateway that the administrator has set, if any.
fn has_gateway(network: &NetworkRecord, defaults: &NetworkDefaults) -> bool {
    let has = |pool: &Pool| Some((pool.gateway(), pool.subnet().prefix()));
    defaults.gateway.is_none() || network.pools.first().and_then(has) == defaults.gateway
}

/// The pool of the bridge's own subnet, else of the administrator's, else of one that nobody uses.
fn pool(context: Context<'_>, subnet: Option<Subnet>, route: &mut Socket) -> Result<Pool> {
    let defaults = context.defaults()?;
    Ok(match (subnet, defaults.gateway) {
        (Some(subnet), _) => Pool::new(subnet, None, None)?,
        (None, Some((gateway, prefix))) => {
            let range =
                defaults.range.map(|(address, prefix)| Subnet::around(address, prefix)).transpose()?;
            Pool::new(Subnet::around(gateway, prefix)?, Some(gateway), range)?
        }
        (None, None) => Pool::new(subnets::choose(context, route)?, None, None)?,
    })
}

fn subnet_of_link(link: u32, route: &mut Socket) -> Result<Option<Subnet>> {
    let found = addresses::list(route, Some(link))?.into_iter().find(|address| address.ip.is_ipv4());
    Ok(found.map(|address| Subnet::around(address.ip, address.prefix)).transpose()?)
}
