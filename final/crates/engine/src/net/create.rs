//! `network create`: everything is checked, then one file is written. The bridge is made by the first container.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hull_network::links;
use hull_network::netlink::{Protocol, Socket};
use hull_network::pool::Pool;
use hull_network::subnet::Subnet;
use hull_storage::file;
use hull_storage::lock::Lock;
use hull_storage::root::make_dirs;

use super::drivers::Driver;
use super::drivers::bridge::{self, conflict};
use super::record::{DEFAULT, NetworkRecord};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::records::ids::{random, random_id};
use crate::records::time::Timestamp;

/// What `network create` is asked for.
#[derive(Debug, Clone, Default)]
pub struct NetworkOptions {
    pub name: String,
    pub driver: Option<String>,
    pub subnets: Vec<Subnet>,
    /// Each belongs to the subnet it lies in.
    pub gateways: Vec<IpAddr>,
    pub ranges: Vec<Subnet>,
    pub internal: bool,
    pub ipv6: bool,
    pub labels: BTreeMap<String, String>,
    /// `-o`.
    pub options: BTreeMap<String, String>,
}

/// ContainerResolver that mean something else, to hull or to docker.
const RESERVED: [&str; 5] = [DEFAULT, "host", "none", "default", "container"];

/// How the names begin of the links that hull makes: the default networks' bridges, the others', and containers' cables.
const OWN_LINKS: [&str; 4] = ["hull0", "hl-", "hx-", "veth"];

impl Engine {
    /// Makes a network.
    pub fn create_network(&self, options: &NetworkOptions) -> Result<NetworkRecord> {
        self.check_new(options)?;
        super::check_rights()?;
        make_dirs(&self.networks_dir(), 0o710)?;
        // Two at once would choose the same subnet.
        let _lock = Lock::exclusive(&self.root().data().join("networks.lock"))?;
        let mut route = Socket::open(Protocol::Route)?;
        let others = self.networks()?;
        if others.iter().any(|other| other.name == options.name) {
            return Err(exists(&options.name));
        }
        let id = random_id()?;
        let driver = Driver::chosen(options)?;
        let link = if driver.has_bridge() { format!("hl-{}", &id[..12]) } else { String::new() };
        let pools = self.pools(options, &driver, &mut route)?;
        let mut network = NetworkRecord {
            format: NetworkRecord::FORMAT,
            name: options.name.clone(),
            created: Timestamp::now(),
            driver,
            link,
            id,
            pools,
            internal: options.internal,
            masquerade: true,
            inter_container: true,
            mtu: None,
            host_ip: None,
            labels: options.labels.clone(),
            options: options.options.clone(),
        };
        for (key, value) in &options.options {
            apply(&mut network, key, value)?;
        }
        network.driver.check_on_host(&network, &others, &mut route)?;
        check_free(&network, &others, &mut route)?;
        match file::create_json(&self.network_file(&network.name), &network)? {
            true => Ok(network),
            false => Err(exists(&network.name)),
        }
    }

    fn check_new(&self, options: &NetworkOptions) -> Result<()> {
        let name = &options.name;
        if !hull_storage::names::is_valid(name) {
            return Err(hull_storage::Error::InvalidName { what: "network", name: name.clone() }.into());
        }
        if RESERVED.contains(&name.as_str()) {
            return Err(Error::Invalid { what: format!("network name {name}"), why: "it is taken".into() });
        }
        let on_lan = Driver::chosen(options)?.is_on_lan();
        if on_lan && options.internal {
            return Err(Error::Invalid {
                what: format!("--internal of network {name}"),
                why: "its containers are on the LAN, which is outside".into(),
            });
        }
        Ok(())
    }

    fn pools(&self, options: &NetworkOptions, driver: &Driver, route: &mut Socket) -> Result<Vec<Pool>> {
        let mut subnets = options.subnets.clone();
        if driver.shares_subnet() {
            // Nobody but who asks knows which addresses of a network are free that others are on as well.
            let missing = match (subnets.iter().any(|s| !s.is_ipv6()), subnets.iter().any(|s| s.is_ipv6())) {
                (false, _) => Some("--subnet 192.0.2.0/24"),
                (_, false) if options.ipv6 => Some("--subnet 2001:db8::/64"),
                _ => None,
            };
            if let Some(missing) = missing {
                let what = format!("{} network {}", driver.name(), options.name);
                let why = format!("others are on it, so its addresses have to be said, as with {missing}");
                return Err(Error::Invalid { what, why });
            }
            if matches!(driver, Driver::Vxlan(_)) {
                own_parts(options, &subnets)?;
            }
        } else if !subnets.iter().any(|subnet| !subnet.is_ipv6()) {
            subnets.insert(0, bridge::free_subnet(self, route)?);
        }
        let has_ipv6 = subnets.iter().any(|subnet| subnet.is_ipv6());
        if options.ipv6 && !has_ipv6 {
            subnets.push(random_ipv6_subnet()?);
        }
        if has_ipv6 && !options.ipv6 {
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
        for gateway in &options.gateways {
            if !subnets.iter().any(|subnet| subnet.contains(*gateway)) {
                let why = "it is in no --subnet".into();
                return Err(Error::Invalid { what: format!("gateway {gateway}"), why });
            }
        }
        for range in &options.ranges {
            if !subnets.iter().any(|subnet| subnet.includes(*range)) {
                let why = "it is in no --subnet".into();
                return Err(Error::Invalid { what: format!("--ip-range {range}"), why });
            }
        }
        let pool = |subnet: &Subnet| {
            let gateway = options.gateways.iter().copied().find(|gateway| subnet.contains(*gateway));
            // A LAN's router has its first address, whatever part of the LAN is ours.
            let gateway = gateway.or_else(|| subnet.address(1).filter(|_| driver.is_on_lan()));
            let range = options.ranges.iter().copied().find(|range| subnet.includes(*range));
            Ok(Pool::new(*subnet, gateway, range)?)
        };
        subnets.iter().map(pool).collect()
    }
}

/// Hosts that each give addresses from their own part of the subnet never give the same one twice.
fn own_parts(options: &NetworkOptions, subnets: &[Subnet]) -> Result<()> {
    for subnet in subnets {
        let what = || format!("vxlan network {}", options.name);
        let Some(range) = options.ranges.iter().find(|range| subnet.includes(**range)) else {
            let why =
                format!("the hosts must not give the same addresses: each needs an --ip-range of {subnet}");
            return Err(Error::Invalid { what: what(), why });
        };
        let gateway = options.gateways.iter().find(|gateway| subnet.contains(**gateway));
        if let Some(gateway) = gateway.filter(|gateway| !range.contains(**gateway)) {
            let why = format!("each host is its containers' gateway: {gateway} is not in the range {range}");
            return Err(Error::Invalid { what: what(), why });
        }
    }
    Ok(())
}

fn exists(name: &str) -> Error {
    Error::Invalid { what: format!("network name {name}"), why: "a network with this name exists".into() }
}

/// A network of one's own among 2^40 (RFC 4193).
fn random_ipv6_subnet() -> Result<Subnet> {
    let [a, b, c, d, e] = random()?;
    let prefix = [0xfd, a, b, c, d, e, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    Ok(Subnet::around(Ipv6Addr::from(prefix).into(), 64)?)
}

/// docker's names of options, and their last words alone.
fn apply(network: &mut NetworkRecord, key: &str, value: &str) -> Result<()> {
    let invalid = |why: &str| Error::Invalid { what: format!("option {key}={value}"), why: why.into() };
    let switch = || match value {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(invalid("it is true or false")),
    };
    let known = key.strip_prefix("com.docker.network.").unwrap_or(key);
    let known = known.strip_prefix("driver.").unwrap_or(known);
    let options = network.driver.options();
    if !options.contains(&known) {
        let all = options.join(", ");
        return Err(invalid(&format!("a network of the driver {} has {all}", network.driver.name())));
    }
    match known {
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
        "bridge.enable_icc" => network.inter_container = switch()?,
        "bridge.enable_ip_masquerade" => network.masquerade = switch()?,
        "bridge.host_binding_ipv4" => {
            let address: Ipv4Addr = value.parse().map_err(|_| invalid("it is no IPv4 address"))?;
            network.host_ip = Some(address.into());
        }
        // The driver has read its own.
        _ => {}
    }
    Ok(())
}

/// That nobody else has its addresses or its bridge's name.
fn check_free(network: &NetworkRecord, others: &[NetworkRecord], route: &mut Socket) -> Result<()> {
    for pool in &network.pools {
        for other in others {
            if let Some(taken) = other.pools.iter().find(|taken| taken.subnet().overlaps(pool.subnet())) {
                return Err(Error::Invalid {
                    what: format!("subnet {}", pool.subnet()),
                    why: format!("it overlaps with {} of network {}", taken.subnet(), other.name),
                });
            }
        }
    }
    if let Some(found) = conflict(network, route)? {
        return Err(Error::Invalid {
            what: format!("network {}", network.name),
            why: format!("the host already reaches {} another way", found.destination),
        });
    }
    if !network.driver.has_bridge() {
        return Ok(());
    }
    let taken = others.iter().any(|other| other.link == network.link);
    if taken || links::find(route, &network.link)?.is_some() {
        return Err(Error::Invalid {
            what: format!("bridge name {}", network.link),
            why: "it is another link's".into(),
        });
    }
    Ok(())
}
