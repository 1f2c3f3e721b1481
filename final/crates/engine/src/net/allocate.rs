//! Endpoints: allocated before anything is made for them, and released when nothing is left of them.

use std::net::{IpAddr, Ipv6Addr};

use hull_docker::flags::endpoint::SYSCTLS;
use hull_network::addresses;
use hull_network::leases::{Holder, Leases};
use hull_network::mac::Mac;
use hull_network::netlink::Socket;
use hull_network::pool::Pool;
use hull_storage::process_id::ProcessId;
use hull_storage::root::Root;

use super::context::{Context, Sockets};
use super::endpoint::Endpoint;
use super::record::NetworkRecord;
use super::{reload, setup, store};
use crate::error::{Error, Errors, Result};
use crate::records::ids::random;
use crate::records::options::NetworkOption;
use crate::records::record::Record;

/// Allocates an endpoint on a network: an address from each of its pools, leased to the monitor's process.
pub(super) fn allocate(
    context: Context<'_>,
    record: &Record,
    option: &NetworkOption,
    interface: String,
    monitor: &ProcessId,
    sockets: &mut Sockets,
) -> Result<Endpoint> {
    let (network, link) = setup::ensure(context, &option.network, sockets)?;
    if let Some(address) = option.link_local.iter().find(|ip| ip.is_ipv6() && !network.has_ipv6()) {
        let why = format!("network {} has no IPv6", network.name);
        return Err(Error::Invalid { what: format!("link-local address {address}"), why });
    }
    // `network rm` takes this lock and then looks for leases, so from here on the network stays.
    let _lock = store::lock_shared(context.root, &network.name)?;
    store::check_exists(context.root, &network.name)?;
    let mut names = vec![record.name.clone()];
    names.extend(option.aliases.iter().cloned());
    let holder = Holder { container: record.id.clone(), names, process: monitor.clone() };
    let leases = Leases::open(context.root.run(), &network.name)?;
    if leases.is_new() {
        adopt_attached(context.root, link, &leases, sockets)?;
    }
    let addresses = lease_addresses(&network, option, &holder, &leases, &mut sockets.route)?;
    let first = addresses.first().copied().unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    let [a, b, c, d] = random()?;
    Ok(Endpoint {
        link: format!("veth{:07x}", u32::from_be_bytes([a & 0xf, b, c, d])),
        interface,
        mac: option.mac.unwrap_or_else(|| Mac::for_address(first)),
        addresses,
        link_local: option.link_local.clone(),
        aliases: option.aliases.clone(),
        published: Vec::new(),
        sysctls: option.driver_opts.get(SYSCTLS).cloned().unwrap_or_default(),
        gw_priority: option.gw_priority,
        limits: option.limits,
        mtu: option.mtu,
        network,
    })
}

/// Records the addresses of containers that are still attached to the network's bridge, after somebody has emptied the run
/// root. After a boot there are none.
fn adopt_attached(root: &Root, bridge: u32, leases: &Leases, sockets: &mut Sockets) -> Result<()> {
    // Stale rules that cannot be removed do not affect this container.
    let attached = reload::remove_stale_rules(root, sockets).unwrap_or_default();
    let here = attached.into_iter().filter(|(_, link)| link.master == Some(bridge));
    Ok(leases.adopt(here.map(|(address, link)| (address, link.name)))?)
}

/// Leases all addresses or none.
fn lease_addresses(
    network: &NetworkRecord,
    option: &NetworkOption,
    holder: &Holder,
    leases: &Leases,
    route: &mut Socket,
) -> Result<Vec<IpAddr>> {
    let mut addresses = Vec::new();
    for pool in &available_pools(network, route)? {
        let requested = match pool.subnet().is_ipv6() {
            true => option.ip6.map(IpAddr::V6),
            false => option.ip.map(IpAddr::V4),
        };
        let leased = match requested {
            Some(address) => leases.allocate_address(pool, address, holder).map(|()| address),
            None => leases.allocate(pool, holder),
        };
        match leased {
            Ok(address) => addresses.push(address),
            Err(error) => {
                let mut errors = Errors::default();
                for address in addresses {
                    errors.note(leases.release(address, &holder.container));
                }
                return Err(Error::from(error).with_undo(errors.into_result()));
            }
        }
    }
    Ok(addresses)
}

/// The network's pools. On a LAN the host's own addresses are in use.
fn available_pools(network: &NetworkRecord, route: &mut Socket) -> Result<Vec<Pool>> {
    let mut pools = network.pools.clone();
    if network.driver().is_on_lan() {
        let of_host: Vec<_> = addresses::list(route, None)?.into_iter().map(|address| address.ip).collect();
        pools = pools.into_iter().map(|pool| pool.excluding(of_host.iter().copied())).collect();
    }
    Ok(pools)
}

/// Releases the endpoints' addresses. Goes on past errors and reports them all.
pub(super) fn release(root: &Root, id: &str, endpoints: &[Endpoint]) -> Result<()> {
    let mut errors = Errors::default();
    // If somebody has emptied the run root, the leases are gone with it.
    let has_leases = |endpoint: &&Endpoint| store::run_dir(root, &endpoint.network.name).exists();
    for endpoint in endpoints.iter().filter(has_leases) {
        errors.note(release_addresses(root, id, endpoint));
    }
    errors.into_result()
}

fn release_addresses(root: &Root, id: &str, endpoint: &Endpoint) -> Result<()> {
    let leases = Leases::open(root.run(), &endpoint.network.name)?;
    let mut errors = Errors::default();
    for address in &endpoint.addresses {
        errors.note(leases.release(*address, id));
    }
    errors.into_result()
}
