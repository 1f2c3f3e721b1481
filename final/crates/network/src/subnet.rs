//! Subnets: the crate `ipnet`'s arithmetic, and hull's rules for what a subnet may be.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A block of addresses that share their first `prefix` bits. Unlike an [`IpNet`] it never has host bits: the bits after the
/// prefix are 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subnet(IpNet);

impl Subnet {
    /// The subnet with this prefix length that contains `address`.
    pub fn around(address: IpAddr, prefix: u8) -> Result<Self> {
        match IpNet::new(address, prefix) {
            Ok(net) => Ok(Self(net.trunc())),
            Err(_) => {
                let longest = if address.is_ipv6() { 128 } else { 32 };
                let why = format!("the prefix length is at most {longest}");
                Err(Error::InvalidSubnet { text: format!("{address}/{prefix}"), why })
            }
        }
    }

    /// All addresses of one family: the destination of a default route.
    pub fn default_route(ipv6: bool) -> Self {
        let any: IpAddr = if ipv6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        Self(IpNet::new_assert(any, 0))
    }

    /// The first address, which is the network's own.
    pub fn network(self) -> IpAddr {
        self.0.network()
    }

    pub fn prefix(self) -> u8 {
        self.0.prefix_len()
    }

    pub fn is_ipv6(self) -> bool {
        matches!(self.0, IpNet::V6(_))
    }

    /// The last address, which of an IPv4 subnet is the broadcast address.
    pub fn last(self) -> IpAddr {
        self.0.broadcast()
    }

    pub fn contains(self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }

    /// Whether the subnets have an address in common. Then one of them contains the other.
    pub fn overlaps(self, other: Self) -> bool {
        self.includes(other) || other.includes(self)
    }

    /// Whether all of `inner` lies in this subnet.
    pub fn includes(self, inner: Self) -> bool {
        self.0.contains(&inner.0)
    }

    /// The address `offset` after the first one; `None` past the end.
    pub fn address(self, offset: u128) -> Option<IpAddr> {
        if offset > self.host_mask() {
            return None;
        }
        Some(match self.0 {
            // An offset within an IPv4 subnet fits into 32 bits.
            IpNet::V4(net) => Ipv4Addr::from_bits(net.network().to_bits() + offset as u32).into(),
            IpNet::V6(net) => Ipv6Addr::from_bits(net.network().to_bits() + offset).into(),
        })
    }

    /// How far `address` is after the first one; `None` if it lies outside.
    pub fn offset(self, address: IpAddr) -> Option<u128> {
        match (self.0, address) {
            (IpNet::V4(net), IpAddr::V4(address)) if net.contains(&address) => {
                Some(u128::from(address.to_bits() - net.network().to_bits()))
            }
            (IpNet::V6(net), IpAddr::V6(address)) if net.contains(&address) => {
                Some(address.to_bits() - net.network().to_bits())
            }
            _ => None,
        }
    }

    /// The subnets with a longer prefix that this one consists of. None if the prefix is shorter or impossible.
    pub fn divide(self, prefix: u8) -> impl Iterator<Item = Self> {
        self.0.subnets(prefix).into_iter().flatten().map(Self)
    }

    /// Why no host can have the address, if so.
    pub fn reserved(self, address: IpAddr) -> Option<&'static str> {
        // Subnets of one or two addresses have no reserved ones (RFC 3021).
        if self.host_mask() <= 1 {
            return None;
        }
        match (address == self.network(), self.is_ipv6()) {
            (true, false) => Some("the network's own address"),
            // RFC 4291, 2.6.1: every router of the link answers to it.
            (true, true) => Some("the routers' anycast address"),
            (false, false) if address == self.last() => Some("the broadcast address"),
            _ => None,
        }
    }

    /// Ones in the bits that distinguish the subnet's addresses.
    fn host_mask(self) -> u128 {
        match self.0 {
            IpNet::V4(net) => net.hostmask().to_bits().into(),
            IpNet::V6(net) => net.hostmask().to_bits(),
        }
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Subnet {
    type Err = Error;

    /// Parses `10.1.0.0/16`. Text with host bits, such as `10.1.0.7/16`, is refused as docker refuses it: it is not clear
    /// which of the two was meant.
    fn from_str(text: &str) -> Result<Self> {
        let invalid = |why: String| Error::InvalidSubnet { text: text.to_owned(), why };
        let (address, prefix) =
            text.split_once('/').ok_or_else(|| invalid("it has no prefix length".into()))?;
        let address: IpAddr =
            address.parse().map_err(|_| invalid(format!("{address:?} is no IP address")))?;
        // u8's parser accepts a sign.
        let is_number = (1..=3).contains(&prefix.len()) && prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = prefix.parse::<u8>().ok().filter(|_| is_number);
        let prefix = prefix.ok_or_else(|| invalid("its prefix length is no number".into()))?;
        let subnet =
            Self::around(address, prefix).map_err(|_| invalid("its prefix length is too long".into()))?;
        match subnet.network() == address {
            true => Ok(subnet),
            false => Err(invalid(format!("it begins at {subnet}"))),
        }
    }
}

impl From<Subnet> for IpNet {
    fn from(subnet: Subnet) -> Self {
        subnet.0
    }
}

impl TryFrom<String> for Subnet {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Subnet> for String {
    fn from(subnet: Subnet) -> Self {
        subnet.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn subnet(text: &str) -> Subnet {
        text.parse().unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn bounds_are_right_in_both_families() {
        for (text, first, last) in [
            ("172.17.0.0/16", "172.17.0.0", "172.17.255.255"),
            ("10.0.0.4/30", "10.0.0.4", "10.0.0.7"),
            ("10.0.0.4/32", "10.0.0.4", "10.0.0.4"),
            ("0.0.0.0/0", "0.0.0.0", "255.255.255.255"),
            ("fd00::/64", "fd00::", "fd00::ffff:ffff:ffff:ffff"),
            ("::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("::1/128", "::1", "::1"),
        ] {
            let subnet = subnet(text);
            assert_eq!((subnet.network(), subnet.last()), (ip(first), ip(last)), "{text}");
            assert!(subnet.contains(ip(first)) && subnet.contains(ip(last)), "{text}");
            assert_eq!(subnet.to_string(), text);
        }
    }

    #[test]
    fn malformed_text_is_refused_with_a_reason() {
        for (text, why) in [
            ("", "it has no prefix length"),
            ("10.0.0.0", "it has no prefix length"),
            ("10.0.0/8", "\"10.0.0\" is no IP address"),
            ("10.0.0.0/33", "its prefix length is too long"),
            ("fd00::/129", "its prefix length is too long"),
            ("10.0.0.0/+8", "its prefix length is no number"),
            ("10.0.0.0/999", "its prefix length is no number"),
            ("10.0.0.0/8/8", "its prefix length is no number"),
            ("10.0.0.0/", "its prefix length is no number"),
            ("10.0.0.1/24", "it begins at 10.0.0.0/24"),
        ] {
            let error = text.parse::<Subnet>().unwrap_err();
            assert_eq!(error.to_string(), format!("invalid subnet {text:?}: {why}"));
            assert_eq!(error.kind(), hull_sys::Kind::Invalid);
        }
    }

    #[test]
    fn overlaps_are_found_from_both_sides() {
        for (one, two, expected) in [
            ("10.0.0.0/8", "10.200.0.0/16", true),
            ("10.0.0.0/24", "10.0.1.0/24", false),
            ("10.0.0.0/23", "10.0.1.0/24", true),
            ("0.0.0.0/0", "fd00::/8", false),
            ("::/0", "fd00::/8", true),
        ] {
            assert_eq!(subnet(one).overlaps(subnet(two)), expected, "{one} {two}");
            assert_eq!(subnet(two).overlaps(subnet(one)), expected, "{two} {one}");
        }
        assert!(subnet("10.0.0.0/8").includes(subnet("10.0.1.0/24")));
        assert!(!subnet("10.0.1.0/24").includes(subnet("10.0.0.0/8")));
    }

    #[test]
    fn what_nobody_can_have_is_known() {
        let reserved = |subnet_text, address| subnet(subnet_text).reserved(ip(address)).is_some();
        assert!(reserved("10.0.0.0/24", "10.0.0.0") && reserved("10.0.0.0/24", "10.0.0.255"));
        assert!(!reserved("10.0.0.0/31", "10.0.0.0") && !reserved("10.0.0.0/31", "10.0.0.1"));
        assert!(reserved("fd00::/64", "fd00::") && !reserved("fd00::/64", "fd00::ffff:ffff:ffff:ffff"));
    }

    proptest! {
        #[test]
        fn offsets_and_addresses_are_inverse(bits in any::<u128>(), prefix in 0u8..=128, offset in any::<u128>()) {
            let subnet = Subnet::around(Ipv6Addr::from_bits(bits).into(), prefix).unwrap();
            if let Some(address) = subnet.address(offset) {
                prop_assert_eq!(subnet.offset(address), Some(offset));
            }
            prop_assert_eq!(subnet.to_string().parse::<Subnet>().unwrap(), subnet);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[0-9a-f:./+ -]{0,24}") {
            if let Ok(subnet) = text.parse::<Subnet>() {
                prop_assert!(subnet.contains(subnet.network()) && subnet.contains(subnet.last()));
            }
        }
    }
}
