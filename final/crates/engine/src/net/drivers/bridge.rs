//! A network's link on the host. Made by the first container that needs it; stays when the last one goes.

use std::net::IpAddr;

use hull_network::addresses::{self, Address};
use hull_network::links::{self, Bridge};
use hull_network::mac::Mac;
use hull_network::netlink::{Protocol, Socket};
use hull_network::nftables::{Table, forget_forwarded};
use hull_network::pool::{self, Pool};
use hull_network::subnet::Subnet;
use hull_network::{routes, sysctl};

use super::Driver;
use super::{parent, vxlan};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::net::record::{DEFAULT, NetworkRecord};
use crate::records::ids::random_id;
use crate::records::time::Timestamp;

/// Ethernet's; where there is no way out, there is none that could be narrower.
const MTU: u32 = 1500;

/// What talks to the kernel. Opened once for all of a start.
pub(in crate::net) struct Sockets {
    pub route: Socket,
    pub filter: Socket,
}

impl Sockets {
    pub(in crate::net) fn open() -> Result<Self> {
        Ok(Self { route: Socket::open(Protocol::Route)?, filter: Socket::open(Protocol::Netfilter)? })
    }
}

/// The tables of this root.
pub(in crate::net) fn table(engine: &Engine) -> Table {
    Table::new(&engine.root().name_suffix())
}

/// The network, and the index of what its containers are plugged into: a bridge that is up and complete, or a parent.
pub(in crate::net) fn ready(
    engine: &Engine,
    name: &str,
    sockets: &mut Sockets,
) -> Result<(NetworkRecord, u32)> {
    if let Some(network) = engine.load_network(name)? {
        if let Driver::Macvlan(macvlan) = &network.driver {
            let parent = macvlan.ready(&mut sockets.route)?;
            return Ok((network, parent));
        }
        if let Some(index) = find(&network, &mut sockets.route)? {
            return Ok((network, index));
        }
    }
    let _lock = engine.lock_network(name)?;
    let network = match engine.load_network(name)? {
        Some(network) if name != DEFAULT => network,
        known if name == DEFAULT => default_network(engine, known, sockets)?,
        _ => return Err(Error::NoSuchNetwork(name.to_owned())),
    };
    // Somebody may have made it while we waited.
    let index = match find(&network, &mut sockets.route)? {
        Some(index) => index,
        None => make(engine, &network, sockets)?,
    };
    Ok((network, index))
}

/// A bridge that is down has not been finished.
fn find(network: &NetworkRecord, route: &mut Socket) -> Result<Option<u32>> {
    let Some(link) = links::find(route, &network.link)? else { return Ok(None) };
    if link.kind.as_deref() != Some("bridge") {
        return Err(Error::Invalid {
            what: format!("network {}", network.name),
            why: format!("its bridge's name, {}, is that of another link", network.link),
        });
    }
    let whole = link.up
        && match &network.driver {
            Driver::Bridge | Driver::Macvlan(_) => true,
            Driver::Lan { parent } => parent::has_joined(parent, link.index, route)?,
            Driver::Vxlan(vxlan) => vxlan.is_made(network, link.index, route)?,
        };
    Ok(whole.then_some(link.index))
}

/// The default network as it is or will be.
pub(in crate::net) fn default_record(engine: &Engine) -> Result<NetworkRecord> {
    let _lock = engine.lock_network(DEFAULT)?;
    default_network(engine, engine.load_network(DEFAULT)?, &mut Sockets::open()?)
}

/// The default network, with a subnet that nobody uses. While its bridge is there, it keeps the one it has.
fn default_network(
    engine: &Engine,
    known: Option<NetworkRecord>,
    sockets: &mut Sockets,
) -> Result<NetworkRecord> {
    let link = format!("hull0{}", engine.root().name_suffix());
    let there = links::find(&mut sockets.route, &link)?;
    let defaults = engine.network_defaults();
    let is_wanted = |known: &NetworkRecord| {
        let has = |pool: &Pool| Some((pool.gateway(), pool.subnet().prefix()));
        defaults.gateway.is_none() || known.pools.first().and_then(has) == defaults.gateway
    };
    if let Some(known) = known
        && (there.is_some() || is_wanted(&known) && conflict(&known, &mut sockets.route)?.is_none())
    {
        return Ok(known);
    }
    let subnet = match there {
        // The bridge has outlived its record, which a run root that was emptied does not keep.
        Some(link) => subnet_of(link.index, &mut sockets.route)?,
        None => None,
    };
    let pool = match (subnet, defaults.gateway) {
        (Some(subnet), _) => Pool::new(subnet, None, None)?,
        (None, Some((gateway, prefix))) => {
            let range =
                defaults.range.map(|(address, prefix)| Subnet::around(address, prefix)).transpose()?;
            Pool::new(Subnet::around(gateway, prefix)?, Some(gateway), range)?
        }
        (None, None) => Pool::new(free_subnet(engine, &mut sockets.route)?, None, None)?,
    };
    let network = NetworkRecord {
        format: NetworkRecord::FORMAT,
        id: random_id()?,
        name: DEFAULT.into(),
        created: Timestamp::now(),
        driver: Driver::Bridge,
        link,
        pools: vec![pool],
        internal: false,
        masquerade: defaults.masquerade.unwrap_or(true),
        inter_container: defaults.inter_container.unwrap_or(true),
        mtu: defaults.mtu,
        host_ip: defaults.host_ip,
        labels: Default::default(),
        options: Default::default(),
    };
    engine.store_network(&network)?;
    Ok(network)
}

fn subnet_of(link: u32, route: &mut Socket) -> Result<Option<Subnet>> {
    let found = addresses::list(route, Some(link))?.into_iter().find(|address| address.ip.is_ipv4());
    Ok(found.map(|address| Subnet::around(address.ip, address.prefix)).transpose()?)
}

/// A subnet that neither the host nor another network of this root uses.
pub(in crate::net) fn free_subnet(engine: &Engine, route: &mut Socket) -> Result<Subnet> {
    let taken: Vec<_> =
        engine.networks()?.iter().flat_map(|network| &network.pools).map(Pool::subnet).collect();
    let pools = engine.network_defaults().pools.iter();
    let pools = pools.map(|((address, prefix), size)| Ok((Subnet::around(*address, *prefix)?, *size)));
    let pools = pools.collect::<Result<Vec<_>>>()?;
    pool::choose_subnet(route, &taken, &pools)?.ok_or_else(|| Error::Invalid {
        what: "network".into(),
        why: "all private subnets are in use; say which one to take with --subnet".into(),
    })
}

/// The route of the host's that a network of these addresses would cut off. On a LAN it is the host who gets no address.
pub(in crate::net) fn conflict(network: &NetworkRecord, route: &mut Socket) -> Result<Option<routes::Route>> {
    if network.driver.is_on_lan() {
        return Ok(None);
    }
    for pool in &network.pools {
        if let Some(found) = routes::conflict(route, pool.subnet())? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Under the network's lock. What a kill left half made is completed; what fails is not left half made.
fn make(engine: &Engine, network: &NetworkRecord, sockets: &mut Sockets) -> Result<u32> {
    let there = links::find(&mut sockets.route, &network.link)?;
    let made = match &there {
        Some(link) => Ok(link.index),
        None => make_link(network, &mut sockets.route),
    };
    let made = made.and_then(|index| complete(engine, network, index, sockets).map(|()| index));
    if made.is_err() && there.is_none() {
        // The first error is the one to tell.
        let _ = remove(engine, network, sockets);
    }
    made
}

fn make_link(network: &NetworkRecord, route: &mut Socket) -> Result<u32> {
    if let Some(found) = conflict(network, route)? {
        return Err(Error::Invalid {
            what: format!("network {}", network.name),
            why: format!("the host already reaches {} another way", found.destination),
        });
    }
    let mac = Mac::for_address(network.pools.first().map_or(IpAddr::from([0; 4]), Pool::gateway));
    let mtu = mtu(network, route)?;
    links::create_bridge(route, &Bridge { name: &network.link, mac, mtu })?;
    Ok(links::get(route, &network.link)?.index)
}

/// The last step brings it up: then it has all it needs.
fn complete(engine: &Engine, network: &NetworkRecord, index: u32, sockets: &mut Sockets) -> Result<()> {
    let Sockets { route, filter } = sockets;
    for pool in network.pools.iter().filter(|_| !network.driver.is_on_lan()) {
        let address = Address { link: index, ip: pool.gateway(), prefix: pool.subnet().prefix() };
        match addresses::add(route, address) {
            Err(error) if error.errno() == Some(libc::EEXIST) => {}
            added => added?,
        }
        sysctl::enable_forwarding(pool.subnet().is_ipv6())?;
    }
    table(engine).add_network(filter, &network.rules())?;
    match &network.driver {
        Driver::Bridge | Driver::Macvlan(_) => {}
        Driver::Lan { parent } => parent::join(parent, network, index, route)?,
        Driver::Vxlan(vxlan) => vxlan.make(network, index, route)?,
    }
    Ok(links::set_up(route, index)?)
}

/// Takes what there is of the network from the host. A parent is the host's own again.
pub(in crate::net) fn remove(engine: &Engine, network: &NetworkRecord, sockets: &mut Sockets) -> Result<()> {
    let Sockets { route, filter } = sockets;
    for name in [vxlan::link(network), network.link.clone()] {
        if let Some(link) = links::find(route, &name)? {
            links::delete(route, link.index)?;
        }
    }
    table(engine).remove_network(filter, &network.rules())?;
    Ok(forget_forwarded(filter, &network.link)?)
}

fn mtu(network: &NetworkRecord, route: &mut Socket) -> Result<u32> {
    match (&network.driver, network.mtu) {
        (Driver::Vxlan(vxlan), _) => vxlan.mtu(network, route),
        (_, Some(mtu)) => Ok(mtu),
        (Driver::Lan { parent }, None) => Ok(links::get(route, parent)?.mtu),
        (_, None) => default_mtu(route),
    }
}

fn default_mtu(route: &mut Socket) -> Result<u32> {
    let Some(index) = routes::default_link(route)? else { return Ok(MTU) };
    Ok(links::find_by_index(route, index)?.map_or(MTU, |link| link.mtu))
}
