//! `nic`: a network of hull, or a link of the container's own.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hull_docker::flags::endpoint::INTERFACE_NAME;
use hull_network::links;
use hull_network::mac::Mac;

use super::Named;
use crate::engine::Engine;
use crate::error::Result;
use crate::records::ids::random;
use crate::records::options::{NetworkMode, NetworkOption};
use crate::records::plugged::{Nic, NicKind, TrafficLimits};
use crate::records::record::Record;

/// The smallest MTU of IPv4, and the largest length of a packet.
const MTUS: std::ops::RangeInclusive<u32> = 68..=65535;

/// LXD's keys that hull does not apply: it does the same for every link of its networks, or has nothing like it.
const NOT_APPLIED: [&str; 11] = [
    "ipv4.gateway",
    "ipv4.host_address",
    "ipv4.routes",
    "ipv6.gateway",
    "ipv6.host_address",
    "ipv6.routes",
    "security.ipv4_filtering",
    "security.ipv6_filtering",
    "security.mac_filtering",
    "security.port_isolation",
    "vlan",
];

pub(super) enum Connection {
    Network(NetworkOption),
    Link(Nic),
}

pub(super) fn plan(engine: &Engine, record: &Record, device: &Named<'_>) -> Result<Connection> {
    check_mode(record, device)?;
    if let Some(key) = NOT_APPLIED.iter().find(|key| device.get(key).is_some()) {
        return Err(device.unsupported(&format!("hull does not apply {key}= to a nic")));
    }
    let name = device.get("name").unwrap_or(device.name);
    links::check_name(name).map_err(|error| device.wrong("name", &error.to_string()))?;
    if name == "lo" {
        return Err(device.wrong("name", "each container has a link called lo already"));
    }
    let mac: Option<Mac> = device.parsed("hwaddr", |text| {
        text.parse().map_err(|_| "a hardware address is six bytes such as 00:16:3e:01:02:03".to_owned())
    })?;
    let limits = limits(device)?;
    let mtu = mtu(device)?;
    if let Some(network) = network(engine, device)? {
        return Ok(Connection::Network(NetworkOption {
            network,
            ip: address::<Ipv4Addr>(device, "ipv4.address")?,
            ip6: address::<Ipv6Addr>(device, "ipv6.address")?,
            mac,
            driver_opts: BTreeMap::from([(INTERFACE_NAME.to_owned(), name.to_owned())]),
            device: Some(device.name.to_owned()),
            limits,
            mtu,
            ..NetworkOption::default()
        }));
    }
    let kind = kind(device)?;
    let parent = device.get("parent").map(str::to_owned);
    if parent.is_none() && matches!(kind, NicKind::Bridged | NicKind::Macvlan | NicKind::Physical) {
        return Err(device.invalid("it needs parent= with a link of this machine, or network="));
    }
    let addresses = addresses(device, kind)?;
    if !limits.is_default() && matches!(kind, NicKind::Macvlan | NicKind::Physical) {
        return Err(
            device.unsupported("limits need an end of the link on the host, which this nictype has not")
        );
    }
    let before = record.options.plugged.nics.iter().find(|nic| nic.device == device.name);
    Ok(Connection::Link(Nic {
        device: device.name.to_owned(),
        kind,
        parent,
        name: name.to_owned(),
        host_name: host_name(device, kind, before)?,
        mac: match (mac, kind, before) {
            (Some(mac), ..) => Some(mac),
            // A physical link keeps its own address.
            (None, NicKind::Physical, _) => None,
            (None, _, Some(before)) if before.mac.is_some() => before.mac,
            (None, ..) => Some(random_mac()?),
        },
        mtu,
        addresses,
        limits,
    }))
}

fn mtu(device: &Named<'_>) -> Result<Option<u32>> {
    match device.number("mtu")? {
        Some(mtu) if !MTUS.contains(&mtu) => Err(device.wrong("mtu", "it is a number from 68 to 65535")),
        mtu => Ok(mtu),
    }
}

fn check_mode(record: &Record, device: &Named<'_>) -> Result<()> {
    let why = match &record.options.network {
        NetworkMode::Networks | NetworkMode::None | NetworkMode::Default => return Ok(()),
        NetworkMode::Host => "the container has the host's network",
        NetworkMode::Container(_) => "the container has another container's network",
        NetworkMode::UserMode(_) => {
            "the container has a user-mode network: an unprivileged user has no other"
        }
    };
    Err(device.unsupported(why))
}

/// The network of hull that the device names: by `network=`, or by the network's bridge as the parent, as LXD's users
/// do.
fn network(engine: &Engine, device: &Named<'_>) -> Result<Option<String>> {
    if let Some(name) = device.get("network") {
        if let Some(key) = ["nictype", "parent"].into_iter().find(|key| device.get(key).is_some()) {
            return Err(device.invalid(format!("network= says {key}= already")));
        }
        return match name == crate::net::DEFAULT {
            true => Ok(Some(name.to_owned())),
            false => Ok(Some(crate::net::find(engine.root(), name)?.name)),
        };
    }
    match (device.get("nictype"), device.get("parent")) {
        (Some("bridged"), Some(parent)) => crate::net::network_of_bridge(engine.root(), parent),
        _ => Ok(None),
    }
}

fn kind(device: &Named<'_>) -> Result<NicKind> {
    const KNOWN: [(&str, NicKind); 5] = [
        ("bridged", NicKind::Bridged),
        ("macvlan", NicKind::Macvlan),
        ("physical", NicKind::Physical),
        ("p2p", NicKind::P2p),
        ("routed", NicKind::Routed),
    ];
    let Some(asked) = device.get("nictype") else {
        return Err(device.invalid("it needs network= or nictype="));
    };
    if ["ipvlan", "sriov", "ovn"].contains(&asked) {
        return Err(device.unsupported(&format!("hull has no nictype={asked}")));
    }
    let found = KNOWN.iter().find(|(name, _)| *name == asked);
    let names = || KNOWN.map(|(name, _)| name).join(", ");
    found.map(|(_, kind)| *kind).ok_or_else(|| device.wrong("nictype", &format!("it is one of {}", names())))
}

fn address<T: std::str::FromStr>(device: &Named<'_>, key: &str) -> Result<Option<T>> {
    device.parsed(key, |text| text.parse().map_err(|_| "it is one address of the network".into()))
}

/// The addresses of a routed link. Other links have none.
fn addresses(device: &Named<'_>, kind: NicKind) -> Result<Vec<IpAddr>> {
    let mut found = Vec::new();
    for key in ["ipv4.address", "ipv6.address"] {
        let Some(text) = device.get(key).filter(|text| *text != "none") else { continue };
        if kind != NicKind::Routed {
            return Err(device.wrong(key, "only a network of hull's and a routed link have addresses"));
        }
        for one in text.split(',').map(str::trim) {
            let is_v6 = key.starts_with("ipv6");
            let address = one.parse().ok().filter(|address: &IpAddr| address.is_ipv6() == is_v6);
            found.push(address.ok_or_else(|| device.wrong(key, "it is an address, or several with commas"))?);
        }
    }
    match kind == NicKind::Routed && found.is_empty() {
        true => Err(device.invalid("a routed link needs ipv4.address= or ipv6.address=")),
        false => Ok(found),
    }
}

fn limits(device: &Named<'_>) -> Result<TrafficLimits> {
    let max = device.parsed("limits.max", hull_lxd::size::bits)?;
    let limits = TrafficLimits {
        ingress: max.or(device.parsed("limits.ingress", hull_lxd::size::bits)?),
        egress: max.or(device.parsed("limits.egress", hull_lxd::size::bits)?),
    };
    match [limits.ingress, limits.egress].contains(&Some(0)) {
        true => Err(device.invalid("a limit is more than 0")),
        false => Ok(limits),
    }
}

fn host_name(device: &Named<'_>, kind: NicKind, before: Option<&Nic>) -> Result<String> {
    if matches!(kind, NicKind::Macvlan | NicKind::Physical) {
        return Ok(String::new());
    }
    if let Some(name) = device.get("host_name") {
        links::check_name(name).map_err(|error| device.wrong("host_name", &error.to_string()))?;
        return Ok(name.to_owned());
    }
    if let Some(before) = before.filter(|before| !before.host_name.is_empty()) {
        return Ok(before.host_name.clone());
    }
    let [a, b, c, d] = random()?;
    Ok(format!("veth{:08x}", u32::from_be_bytes([a, b, c, d])))
}

/// A random address with the prefix that LXD and Xen use.
fn random_mac() -> Result<Mac> {
    let [a, b, c] = random()?;
    Ok(Mac([0x00, 0x16, 0x3e, a, b, c]))
}
