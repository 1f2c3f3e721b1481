//! The addresses of one network: its subnet, its gateway, and the range for containers.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::netlink::Socket;
use crate::routes;
use crate::subnet::Subnet;

/// A checked set of addresses of one family. A network has one for IPv4, and one for IPv6 if it has IPv6.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    subnet: Subnet,
    gateway: IpAddr,
    /// The part of the subnet from which addresses are allocated to containers that request none.
    range: Subnet,
    /// Addresses of other hosts, if the subnet is that of a LAN.
    #[serde(default, skip_serializing_if = "Vec::is_empty", rename = "kept")]
    excluded: Vec<IpAddr>,
    /// Addresses that no container gets, by the names that the user has given them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    reserved: BTreeMap<String, IpAddr>,
}

impl Pool {
    /// Without a `gateway`, the gateway is the first usable address of the range. Without a `range`, the range is the
    /// whole subnet.
    pub fn new(subnet: Subnet, gateway: Option<IpAddr>, range: Option<Subnet>) -> Result<Self> {
        let invalid = |why: String| Error::InvalidSubnet { text: subnet.to_string(), why };
        // The gateway and one container need an address each, beside the two reserved ones.
        let longest = if subnet.is_ipv6() { 126 } else { 30 };
        if subnet.prefix() > longest {
            return Err(invalid("it has no room for a gateway and a container".into()));
        }
        if subnet.prefix() == 0 || subnet.network().is_multicast() || subnet.network().is_loopback() {
            return Err(invalid("no container can be there".into()));
        }
        let range = range.unwrap_or(subnet);
        if !subnet.includes(range) {
            return Err(invalid(format!("the range {range} is not in it")));
        }
        let first = || range.address(0).filter(|ip| subnet.reserved(*ip).is_none()).or(range.address(1));
        let gateway = gateway.or_else(first).ok_or_else(|| invalid("it has no first address".into()))?;
        let pool = Self { subnet, gateway, range, excluded: Vec::new(), reserved: BTreeMap::new() };
        pool.check_usable(gateway)?;
        Ok(pool)
    }

    /// The pool without addresses that other hosts have. Addresses outside the subnet are ignored.
    pub fn excluding(mut self, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        self.excluded.extend(addresses.into_iter().filter(|address| self.subnet.contains(*address)));
        self
    }

    /// The pool without an address that the user keeps for another host. Fails if a container could not have it either.
    pub fn reserving(mut self, name: String, address: IpAddr) -> Result<Self> {
        self.check(address)?;
        self.reserved.insert(name, address);
        Ok(self)
    }

    pub fn reserved(&self) -> &BTreeMap<String, IpAddr> {
        &self.reserved
    }

    pub fn subnet(&self) -> Subnet {
        self.subnet
    }

    pub fn gateway(&self) -> IpAddr {
        self.gateway
    }

    pub fn range(&self) -> Subnet {
        self.range
    }

    /// Fails if a container cannot have this address.
    pub fn check(&self, address: IpAddr) -> Result<()> {
        self.check_usable(address)?;
        if address == self.gateway {
            return Err(Error::AddressReserved { address, why: "the gateway" });
        }
        if self.reserved.values().any(|reserved| *reserved == address) {
            return Err(Error::AddressReserved { address, why: "reserved by --aux-address" });
        }
        if self.excluded.contains(&address) {
            return Err(Error::AddressReserved { address, why: "in use by a host of the LAN" });
        }
        Ok(())
    }

    /// All addresses of the range that a container can have, once around, beginning with the one after `last`.
    pub fn addresses_after(&self, last: Option<IpAddr>) -> impl Iterator<Item = IpAddr> + '_ {
        let start = last.and_then(|last| self.range.offset(last)).map_or(0, |offset| offset.wrapping_add(1));
        let after =
            std::iter::successors(Some(start), |n| n.checked_add(1)).map_while(|n| self.range.address(n));
        let before = (0..start).map_while(|n| self.range.address(n));
        after.chain(before).filter(|address| self.check(*address).is_ok())
    }

    fn check_usable(&self, address: IpAddr) -> Result<()> {
        if !self.subnet.contains(address) {
            return Err(Error::AddressOutside { address, subnet: self.subnet.to_string() });
        }
        match self.subnet.reserved(address) {
            Some(why) => Err(Error::AddressReserved { address, why }),
            None => Ok(()),
        }
    }
}

/// Chooses a subnet for a network that names none: the first one that neither overlaps with `taken` nor with a route of the
/// host, such as a VPN's. It is from `pools`, each with the prefix length of its subnets, or else from docker's private
/// blocks.
pub fn choose_subnet(
    socket: &mut Socket,
    taken: &[Subnet],
    pools: &[(Subnet, u8)],
) -> Result<Option<Subnet>> {
    let routed: Vec<_> = routes::list(socket)?.into_iter().map(|route| route.destination).collect();
    let is_used = |subnet: Subnet| {
        let routed = routed.iter().filter(|route| route.prefix() > 0);
        routed.chain(taken).any(|other| other.overlaps(subnet))
    };
    let mut candidates = pools.iter().flat_map(|(base, prefix)| divide(*base, *prefix));
    Ok(match pools {
        [] => default_subnets().find(|subnet| !is_used(*subnet)),
        _ => candidates.find(|subnet| !is_used(*subnet)),
    })
}

/// The subnets of an IPv4 pool. None for IPv6: a network has an IPv6 subnet only if its user asks for one.
fn divide(base: Subnet, prefix: u8) -> impl Iterator<Item = Subnet> {
    base.divide(prefix).take_while(move |subnet| !subnet.is_ipv6() && prefix <= 30)
}

/// 172.17.0.0/16 to 172.31.0.0/16, then the sixteen /20 of 192.168.0.0/16.
fn default_subnets() -> impl Iterator<Item = Subnet> {
    let large = (17..32u8).map(|n| ([172, n, 0, 0], 16));
    let small = (0..16u8).map(|n| ([192, 168, n * 16, 0], 20));
    large.chain(small).filter_map(|(bytes, prefix)| Subnet::around(IpAddr::from(bytes), prefix).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_is_divided_into_subnets() {
        let shown = |base: &str, prefix| -> Vec<String> {
            divide(base.parse().unwrap(), prefix).map(|subnet| subnet.to_string()).collect()
        };
        assert_eq!(shown("10.7.0.0/22", 24), ["10.7.0.0/24", "10.7.1.0/24", "10.7.2.0/24", "10.7.3.0/24"]);
        assert_eq!(shown("10.7.0.0/24", 16), [""; 0]);
        assert_eq!(shown("fd00::/48", 64), [""; 0]);
    }
    use crate::links::{self, Bridge};
    use crate::mac::Mac;
    use crate::testing::{in_own_namespace, route_socket};

    fn pool(subnet: &str, gateway: Option<&str>, range: Option<&str>) -> Result<Pool> {
        let gateway = gateway.map(|text| text.parse().unwrap());
        Pool::new(subnet.parse().unwrap(), gateway, range.map(|text| text.parse().unwrap()))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_gateway_is_the_first_address() {
        for (subnet, range, gateway) in [
            ("172.17.0.0/16", None, "172.17.0.1"),
            ("172.17.0.0/16", Some("172.17.8.0/24"), "172.17.8.0"),
            ("fd00::/64", None, "fd00::1"),
        ] {
            assert_eq!(pool(subnet, None, range).unwrap().gateway(), ip(gateway));
        }
        assert_eq!(pool("10.0.0.0/24", Some("10.0.0.254"), None).unwrap().gateway(), ip("10.0.0.254"));
    }

    #[test]
    fn what_makes_no_network_is_refused() {
        for (subnet, gateway, range, why) in [
            ("10.0.0.0/31", None, None, "no room for a gateway"),
            ("fd00::/127", None, None, "no room for a gateway"),
            ("127.0.0.0/8", None, None, "no container can be there"),
            ("224.0.0.0/8", None, None, "no container can be there"),
            ("0.0.0.0/0", None, None, "no container can be there"),
            ("10.0.0.0/24", Some("10.0.1.1"), None, "address 10.0.1.1 is outside the subnet 10.0.0.0/24"),
            ("10.0.0.0/24", Some("10.0.0.0"), None, "the network's own address"),
            ("10.0.0.0/24", Some("10.0.0.255"), None, "the broadcast address"),
            ("10.0.0.0/24", Some("fd00::1"), None, "outside"),
            ("10.0.0.0/24", None, Some("10.0.1.0/28"), "the range 10.0.1.0/28 is not in it"),
            ("10.0.0.0/24", None, Some("10.0.0.0/16"), "is not in it"),
        ] {
            let error = pool(subnet, gateway, range).unwrap_err().to_string();
            assert!(error.contains(why), "{subnet}: {error}");
        }
    }

    #[test]
    fn a_container_cannot_ask_for_what_is_not_to_be_had() {
        let pool = pool("10.0.0.0/24", None, None).unwrap();
        for (address, why) in [
            ("10.0.0.1", "it is the gateway"),
            ("10.0.0.0", "own address"),
            ("10.0.0.255", "broadcast"),
            ("10.0.1.5", "outside"),
        ] {
            let error = pool.check(ip(address)).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        pool.check(ip("10.0.0.2")).unwrap();
        let pool = pool.excluding([ip("10.0.0.2"), ip("10.9.9.9")]);
        assert!(pool.check(ip("10.0.0.2")).unwrap_err().to_string().contains("in use by a host of the LAN"));
        assert_eq!(pool.addresses_after(None).next(), Some(ip("10.0.0.3")));
    }

    #[test]
    fn a_reserved_address_is_no_containers() {
        let pool = pool("10.0.0.0/29", None, None).unwrap();
        let pool = pool.reserving("router".into(), ip("10.0.0.3")).unwrap();
        assert!(pool.check(ip("10.0.0.3")).is_err());
        let all: Vec<_> = pool.addresses_after(None).collect();
        assert_eq!(all, ["10.0.0.2", "10.0.0.4", "10.0.0.5", "10.0.0.6"].map(ip));
        for taken in ["10.0.0.1", "10.0.0.3", "10.0.0.7", "10.0.1.1"] {
            assert!(pool.clone().reserving("other".into(), ip(taken)).is_err(), "{taken}");
        }
        let read: Pool = serde_json::from_str(&serde_json::to_string(&pool).unwrap()).unwrap();
        assert_eq!(read, pool);
    }

    #[test]
    fn addresses_go_once_around() {
        let around = |pool: &Pool, last: Option<&str>| {
            pool.addresses_after(last.map(ip)).map(|address| address.to_string()).collect::<Vec<_>>()
        };
        let small = pool("10.0.0.0/29", None, None).unwrap();
        assert_eq!(around(&small, None), ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"]);
        assert_eq!(
            around(&small, Some("10.0.0.4")),
            ["10.0.0.5", "10.0.0.6", "10.0.0.2", "10.0.0.3", "10.0.0.4"]
        );
        assert_eq!(around(&small, Some("10.0.0.7")).len(), 5);
        let ranged = pool("10.0.0.0/24", None, Some("10.0.0.8/30")).unwrap();
        assert_eq!(around(&ranged, Some("10.0.0.200")), ["10.0.0.9", "10.0.0.10", "10.0.0.11"]);
    }

    #[test]
    fn a_subnet_that_is_routed_or_taken_is_not_chosen() {
        in_own_namespace("a_subnet_that_is_routed_or_taken_is_not_chosen", || {
            let mut socket = route_socket();
            let choose = |socket: &mut Socket, taken: &[&str]| {
                let taken: Vec<_> = taken.iter().map(|text| text.parse().unwrap()).collect();
                choose_subnet(socket, &taken, &[]).unwrap().map(|subnet| subnet.to_string())
            };
            assert_eq!(choose(&mut socket, &[]).as_deref(), Some("172.17.0.0/16"));
            let bridge = Bridge { name: "vpn", mac: Mac([2, 0, 0, 0, 0, 1]), mtu: 1500 };
            links::create_bridge(&mut socket, &bridge).unwrap();
            let link = links::get(&mut socket, "vpn").unwrap().index;
            links::set_up(&mut socket, link).unwrap();
            routes::add(&mut socket, crate::testing::on_link("172.18.7.0/24", link)).unwrap();
            assert_eq!(choose(&mut socket, &["172.16.0.0/15"]).as_deref(), Some("172.19.0.0/16"));
            assert_eq!(choose(&mut socket, &["172.16.0.0/12"]).as_deref(), Some("192.168.0.0/20"));
            assert_eq!(choose(&mut socket, &["172.16.0.0/12", "192.168.0.0/16"]), None);
        });
    }
}
