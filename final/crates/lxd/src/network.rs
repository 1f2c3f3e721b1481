//! The configuration keys of networks.

use std::net::IpAddr;

use crate::error::{Error, Result};
use crate::value::boolean;

/// An address with the length of its network's prefix: `10.1.2.1/24`.
pub type Gateway = (IpAddr, u8);

/// A key of a network with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// `ipv4.address` and `ipv6.address`: the address of the host. `None` for `none`.
    Address { is_v6: bool, gateway: Option<Gateway> },
    /// `ipv4.nat` and `ipv6.nat`: packets to other networks have the host's address.
    Nat(bool),
    /// `bridge.mtu`. `None` for the one that the network's links have by themselves.
    Mtu(Option<u32>),
    /// `user.*`, which hull only keeps. An empty value removes the key.
    User { key: String, value: String },
}

const ASSIGNED: &str = "hull gives each container its address itself, and serves no DHCP: \
                        device set NAME ipv4.address gives one of your choice";
const OWN_DNS: &str = "hull answers a container's questions by the names of the containers on its networks";
const FILTER: &str = "hull's own packet filter is always there";

/// Keys of LXD's networks that hull does not have, by their beginnings.
const LACKING: &[(&str, &str)] = &[
    ("bgp.", "hull announces no routes"),
    ("bridge.driver", "hull's bridges are those of the kernel"),
    (
        "bridge.external_interfaces",
        "hull network create -o parent=LINK makes a network with a link of the host",
    ),
    ("bridge.hwaddr", "a bridge's address follows from its IP address"),
    ("bridge.mode", "hull network create --driver vxlan makes a network over several machines"),
    ("dns.", OWN_DNS),
    ("fan.", "hull network create --driver vxlan makes a network over several machines"),
    ("ipv4.dhcp", ASSIGNED),
    ("ipv6.dhcp", ASSIGNED),
    ("ipv4.firewall", FILTER),
    ("ipv6.firewall", FILTER),
    ("ipv4.ovn.", "hull has no OVN"),
    ("ipv6.ovn.", "hull has no OVN"),
    ("ipv4.nat.", "hull chooses the address and the place in the filter itself"),
    ("ipv6.nat.", "hull chooses the address and the place in the filter itself"),
    ("ipv4.routes", "the host's routes are its own: ip route adds others"),
    ("ipv6.routes", "the host's routes are its own: ip route adds others"),
    ("ipv4.routing", "hull network create --internal isolates a network"),
    ("ipv6.routing", "hull network create --internal isolates a network"),
    ("maas.", "hull knows no MAAS"),
    ("raw.dnsmasq", "hull has no dnsmasq"),
    ("security.acls", "hull has no lists of access rules"),
    ("tunnel.", "hull network create --driver vxlan makes a network over several machines"),
];

/// The keys of a network, among which a hint finds the one that was meant.
pub const NAMES: [&str; 5] = ["bridge.mtu", "ipv4.address", "ipv4.nat", "ipv6.address", "ipv6.nat"];

/// Reads a key and its value. An empty value unsets the key.
pub fn parse(key: &str, value: &str) -> Result<Setting> {
    let refused = |why: String| Error::value(key, value, why);
    match key {
        "ipv4.address" | "ipv6.address" => {
            let is_v6 = key == "ipv6.address";
            let gateway = match value {
                "none" => None,
                "auto" | "" => {
                    let why = "a network keeps its addresses unless others are named, and ipv6.address=none takes that one";
                    return Err(refused(why.into()));
                }
                _ => Some(gateway(value, is_v6).map_err(refused)?),
            };
            Ok(Setting::Address { is_v6, gateway })
        }
        // A network that LXD creates has NAT, so that is the value of an unset key.
        "ipv4.nat" | "ipv6.nat" if value.is_empty() => Ok(Setting::Nat(true)),
        "ipv4.nat" | "ipv6.nat" => boolean(value).map(Setting::Nat).map_err(refused),
        "bridge.mtu" if value.is_empty() => Ok(Setting::Mtu(None)),
        "bridge.mtu" => match value.parse() {
            Ok(mtu) if (68..=65535).contains(&mtu) => Ok(Setting::Mtu(Some(mtu))),
            _ => Err(refused("an MTU is 68 to 65535 bytes".into())),
        },
        _ if key.starts_with("user.") => Ok(Setting::User { key: key.into(), value: value.into() }),
        _ => match LACKING.iter().find(|(beginning, _)| key.starts_with(beginning)) {
            Some((_, why)) => Err(Error::Unsupported { name: key.into(), why }),
            None => Err(Error::unknown("key of a network", key, NAMES)),
        },
    }
}

fn gateway(text: &str, is_v6: bool) -> Result<Gateway, String> {
    let family = if is_v6 { "IPv6" } else { "IPv4" };
    let (address, prefix) =
        text.split_once('/').ok_or("the length of the prefix is missing, as in 10.1.2.1/24")?;
    let address: IpAddr = address.parse().map_err(|_| format!("{address:?} is no address"))?;
    let most = if is_v6 { 128 } else { 32 };
    let prefix: u8 = prefix.parse().ok().filter(|prefix| *prefix <= most).ok_or("its prefix is too long")?;
    match address.is_ipv6() == is_v6 {
        true => Ok((address, prefix)),
        false => Err(format!("it is no {family} address")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_settings_or_are_refused_with_a_reason() {
        let address = |key| parse(key, "10.1.2.1/24");
        let gateway = Some(("10.1.2.1".parse().unwrap(), 24));
        assert_eq!(address("ipv4.address"), Ok(Setting::Address { is_v6: false, gateway }));
        assert!(address("ipv6.address").is_err());
        assert_eq!(parse("ipv6.address", "none"), Ok(Setting::Address { is_v6: true, gateway: None }));
        assert_eq!(parse("ipv4.nat", "false"), Ok(Setting::Nat(false)));
        assert_eq!(parse("bridge.mtu", "1400"), Ok(Setting::Mtu(Some(1400))));
        assert_eq!(parse("bridge.mtu", ""), Ok(Setting::Mtu(None)));
        for (key, value) in
            [("ipv4.address", "10.1.2.1"), ("ipv4.nat", "maybe"), ("bridge.mtu", "1"), ("x", "")]
        {
            assert!(parse(key, value).is_err(), "{key}");
        }
        assert!(parse("ipv4.dhcp.ranges", "x").unwrap_err().is_unsupported());
    }
}
