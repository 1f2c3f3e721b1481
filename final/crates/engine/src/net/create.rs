//! `network create`: everything is checked, then one file is written. The first container makes the network's bridge.

use std::net::Ipv4Addr;

use hull_docker::bools;
use hull_network::links;
use hull_network::netlink::{Protocol, Socket};
use hull_network::pool::Pool;
use hull_network::subnet::Subnet;
use hull_storage::file;

use super::context::Context;
use super::drivers::{Driver, DriverConfig};
use super::options::NetworkOptions;
use super::record::{DEFAULT, NetworkRecord};
use super::{events, store, subnets};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::records::ids::random_id;
use crate::records::time::Timestamp;

/// Names with another meaning, for hull or for docker.
const RESERVED: [&str; 5] = [DEFAULT, "host", "none", "default", "container"];

/// The prefixes of the names of links that hull makes: default bridges, other bridges, VXLAN links and veth pairs.
const OWN_LINKS: [&str; 4] = ["hull0", "hl-", "hx-", "veth"];

impl Engine {
    /// Creates a network.
    pub fn create_network(&self, options: &NetworkOptions) -> Result<NetworkRecord> {
        let driver = checked(options)?;
        super::check_rights()?;
        let root = self.root();
        let _lock = store::lock_creation(root)?;
        let mut route = Socket::open(Protocol::Route)?;
        let others = store::all(root)?;
        if others.iter().any(|other| other.name == options.name) {
            return Err(Error::NetworkExists(options.name.clone()));
        }
        let network = new_record(self.network_context(), options, driver, &mut route)?;
        network.driver().validate(&network, &others, &mut route)?;
        check_free(&network, &others, &mut route)?;
        match file::create_json(&store::record_file(root, &network.name), &network)? {
            true => {
                events::of_network(&network, "create").emit(self);
                Ok(network)
            }
            false => Err(Error::NetworkExists(network.name)),
        }
    }
}

impl NetworkOptions {
    /// Checks what can be known without looking at the host and at the other networks.
    pub fn check(&self) -> Result<()> {
        checked(self).map(drop)
    }
}

/// The driver of the network, if the options are right.
fn checked(options: &NetworkOptions) -> Result<DriverConfig> {
    check_name(&options.name)?;
    let driver = DriverConfig::from_options(options)?;
    match driver.as_driver().is_on_lan() && options.internal {
        true => Err(Error::Invalid {
            what: format!("--internal of network {}", options.name),
            why: "its containers are on the LAN, which is outside".into(),
        }),
        false => Ok(driver),
    }
}

fn check_name(name: &str) -> Result<()> {
    if !hull_storage::names::is_valid_short(name) {
        return Err(hull_storage::Error::InvalidName { what: "network", name: name.to_owned() }.into());
    }
    match RESERVED.contains(&name) {
        true => Err(Error::Invalid { what: format!("network name {name}"), why: "it is taken".into() }),
        false => Ok(()),
    }
}

fn new_record(
    context: Context<'_>,
    options: &NetworkOptions,
    driver: DriverConfig,
    route: &mut Socket,
) -> Result<NetworkRecord> {
    let id = random_id()?;
    let link = if driver.as_driver().has_bridge() { format!("hl-{}", &id[..12]) } else { String::new() };
    let subnets = choose_subnets(context, options, driver.as_driver(), route)?;
    let pools = make_pools(options, driver.as_driver(), &subnets)?;
    let mut network = NetworkRecord {
        format: NetworkRecord::FORMAT,
        name: options.name.clone(),
        created: Timestamp::now(),
        driver,
        link,
        id,
        pools,
        internal: options.internal,
        attachable: options.attachable,
        ipam_options: options.ipam_options.clone(),
        masquerade: true,
        inter_container: true,
        mtu: None,
        host_ip: None,
        labels: options.labels.clone(),
        options: options.options.clone(),
    };
    for (key, value) in &options.options {
        apply_option(&mut network, key, value)?;
    }
    Ok(network)
}

/// The subnets that the user has named, and those that hull chooses: of IPv4, and of IPv6 if the network is to have it.
fn choose_subnets(
    context: Context<'_>,
    options: &NetworkOptions,
    driver: &dyn Driver,
    route: &mut Socket,
) -> Result<Vec<Subnet>> {
    let mut subnets = options.subnets.clone();
    let has = |subnets: &[Subnet], ipv6| subnets.iter().any(|subnet| subnet.is_ipv6() == ipv6);
    if driver.shares_subnet() {
        // Only the user knows which addresses are free where others assign addresses too.
        let missing = match (has(&subnets, false), has(&subnets, true)) {
            (false, _) => Some("--subnet 192.0.2.0/24"),
            (_, false) if options.ipv6 => Some("--subnet 2001:db8::/64"),
            _ => None,
        };
        if let Some(missing) = missing {
            let what = format!("{} network {}", driver.name(), options.name);
            let why = format!("others are on it, so its addresses have to be said, as with {missing}");
            return Err(Error::Invalid { what, why });
        }
        driver.validate_subnets(options, &subnets)?;
    } else if !has(&subnets, false) {
        subnets.insert(0, subnets::choose(context, route)?);
    }
    if options.ipv6 && !has(&subnets, true) {
        subnets.push(subnets::random_ipv6()?);
    }
    if has(&subnets, true) && !options.ipv6 {
        return Err(Error::Invalid {
            what: "IPv6 subnet".into(),
            why: "the network is not to have IPv6; add --ipv6".into(),
        });
    }
    let two_of = |ipv6| subnets.iter().filter(|subnet| subnet.is_ipv6() == ipv6).count() > 1;
    if two_of(false) || two_of(true) {
        let why = "a network has one of IPv4 and one of IPv6".into();
        return Err(Error::Invalid { what: "number of subnets".into(), why });
    }
    Ok(subnets)
}

/// The pools of the subnets, each with the gateway and the range that the user has named for it.
fn make_pools(options: &NetworkOptions, driver: &dyn Driver, subnets: &[Subnet]) -> Result<Vec<Pool>> {
    for gateway in &options.gateways {
        if !subnets.iter().any(|subnet| subnet.contains(*gateway)) {
            let why = "no subnet of the network contains it".into();
            return Err(Error::Invalid { what: format!("gateway {gateway}"), why });
        }
    }
    for range in &options.ranges {
        if !subnets.iter().any(|subnet| subnet.includes(*range)) {
            let why = "no subnet of the network contains it".into();
            return Err(Error::Invalid { what: format!("address range {range}"), why });
        }
    }
    for (name, address) in &options.reserved {
        if !subnets.iter().any(|subnet| subnet.contains(*address)) {
            let why = "no subnet of the network contains it".into();
            return Err(Error::Invalid { what: format!("auxiliary address {name}={address}"), why });
        }
    }
    let pool = |subnet: &Subnet| {
        let gateway = options.gateways.iter().copied().find(|gateway| subnet.contains(*gateway));
        // A LAN's router has the first address of the LAN, not of the range that hull assigns from.
        let gateway = gateway.or_else(|| subnet.address(1).filter(|_| driver.is_on_lan()));
        let range = options.ranges.iter().copied().find(|range| subnet.includes(*range));
        let reserved = options.reserved.iter().filter(|(_, address)| subnet.contains(*address));
        let pool = Pool::new(*subnet, gateway, range)?;
        Ok(reserved.cloned().try_fold(pool, |pool, (name, address)| pool.reserving(name, address))?)
    };
    subnets.iter().map(pool).collect()
}

/// Applies one `-o`. docker's names of options are accepted whole, and without their prefixes.
fn apply_option(network: &mut NetworkRecord, key: &str, value: &str) -> Result<()> {
    let invalid = |why: &str| Error::Invalid { what: format!("option {key}={value}"), why: why.into() };
    let boolean = || bools::parse(value).map_err(|why| invalid(&why));
    let short = key.strip_prefix("com.docker.network.").unwrap_or(key);
    let short = short.strip_prefix("driver.").unwrap_or(short);
    let options = network.driver().options();
    if !options.contains(&short) {
        let all = options.join(", ");
        return Err(invalid(&format!("a network of the driver {} has {all}", network.driver().name())));
    }
    match short {
        "mtu" => {
            let mtu = value.parse().ok().filter(|mtu| (68..=65535).contains(mtu));
            network.mtu = Some(mtu.ok_or_else(|| invalid("an MTU is 68 to 65535 bytes"))?);
        }
        "bridge.name" => {
            links::check_name(value)?;
            if OWN_LINKS.iter().any(|prefix| value.starts_with(prefix)) {
                return Err(invalid("hull's own links are called so"));
            }
            network.link = value.to_owned();
        }
        "bridge.enable_icc" => network.inter_container = boolean()?,
        "bridge.enable_ip_masquerade" => network.masquerade = boolean()?,
        "bridge.host_binding_ipv4" => {
            let address: Ipv4Addr = value.parse().map_err(|_| invalid("it is no IPv4 address"))?;
            network.host_ip = Some(address.into());
        }
        // The driver has read its own options.
        _ => {}
    }
    Ok(())
}

/// Checks that no other network has the network's addresses, and no other link its bridge's name.
pub(super) fn check_free(
    network: &NetworkRecord,
    others: &[NetworkRecord],
    route: &mut Socket,
) -> Result<()> {
    for pool in &network.pools {
        for other in others {
            if let Some(taken) = other.pools.iter().find(|taken| taken.subnet().overlaps(pool.subnet())) {
                return Err(Error::SubnetTaken {
                    subnet: pool.subnet().to_string(),
                    taken: taken.subnet().to_string(),
                    network: other.name.clone(),
                });
            }
        }
    }
    subnets::check_routes(network, route)?;
    if !network.driver().has_bridge() {
        return Ok(());
    }
    let is_taken = others.iter().any(|other| other.link == network.link);
    if is_taken || links::find(route, &network.link)?.is_some() {
        return Err(Error::Invalid {
            what: format!("bridge name {}", network.link),
            why: "it is another link's".into(),
        });
    }
    Ok(())
}
