//! Arithmetic on subnets: both families as one number of 128 bits.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A block of addresses that share their first `prefix` bits. The bits after them are always 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subnet {
    network: IpAddr,
    prefix: u8,
}

impl Subnet {
    /// The subnet of this prefix length that `address` lies in.
    pub fn around(address: IpAddr, prefix: u8) -> Result<Self> {
        let width = width(address);
        if prefix > width {
            let why = format!("the prefix length is at most {width}");
            return Err(Error::InvalidSubnet { text: format!("{address}/{prefix}"), why });
        }
        let network = from_bits(to_bits(address) & !host_mask(width, prefix), address);
        Ok(Self { network, prefix })
    }

    /// All addresses of the family of `like`.
    pub fn everything(like: IpAddr) -> Self {
        Self { network: from_bits(0, like), prefix: 0 }
    }

    /// The first address, which is the subnet's own name.
    pub fn network(self) -> IpAddr {
        self.network
    }

    pub fn prefix(self) -> u8 {
        self.prefix
    }

    pub fn is_ipv6(self) -> bool {
        self.network.is_ipv6()
    }

    /// The last address: of an IPv4 subnet, everybody's.
    pub fn last(self) -> IpAddr {
        from_bits(to_bits(self.network) | self.host_mask(), self.network)
    }

    pub fn contains(self, address: IpAddr) -> bool {
        address.is_ipv6() == self.is_ipv6() && to_bits(address) & !self.host_mask() == to_bits(self.network)
    }

    /// Whether there is an address in both: one of them then holds the other.
    pub fn overlaps(self, other: Self) -> bool {
        self.contains(other.network) || other.contains(self.network)
    }

    /// Whether all of `inner` lies in it.
    pub fn includes(self, inner: Self) -> bool {
        self.prefix <= inner.prefix && self.contains(inner.network)
    }

    /// The address `offset` places after the first; `None` past the end.
    pub fn address(self, offset: u128) -> Option<IpAddr> {
        (offset <= self.host_mask()).then(|| from_bits(to_bits(self.network) + offset, self.network))
    }

    /// How many places `address` is after the first; `None` when it lies outside.
    pub fn offset(self, address: IpAddr) -> Option<u128> {
        self.contains(address).then(|| to_bits(address) - to_bits(self.network))
    }

    /// Why nobody can have the address for himself, if so.
    pub fn reserved(self, address: IpAddr) -> Option<&'static str> {
        // Blocks of two and of one have neither (RFC 3021).
        if self.host_mask() <= 1 {
            return None;
        }
        match (address == self.network, self.is_ipv6()) {
            (true, false) => Some("the network's own name"),
            // RFC 4291, 2.6.1: every router of the link answers to it.
            (true, true) => Some("the routers' anycast address"),
            (false, false) if address == self.last() => Some("the broadcast address"),
            _ => None,
        }
    }

    fn host_mask(self) -> u128 {
        host_mask(width(self.network), self.prefix)
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

impl fmt::Debug for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Subnet {
    type Err = Error;

    /// `10.1.0.0/16`. An address inside it instead of its first is refused, as docker does: which one was meant?
    fn from_str(text: &str) -> Result<Self> {
        let invalid = |why: String| Error::InvalidSubnet { text: text.to_owned(), why };
        let (address, prefix) =
            text.split_once('/').ok_or_else(|| invalid("it has no prefix length".into()))?;
        let address: IpAddr =
            address.parse().map_err(|_| invalid(format!("{address:?} is no IP address")))?;
        let digits = (1..=3).contains(&prefix.len()) && prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = prefix.parse::<u8>().ok().filter(|_| digits);
        let prefix = prefix.ok_or_else(|| invalid("its prefix length is no number".into()))?;
        let subnet =
            Self::around(address, prefix).map_err(|_| invalid("its prefix length is too long".into()))?;
        if subnet.network != address {
            return Err(invalid(format!("it begins at {subnet}")));
        }
        Ok(subnet)
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

fn width(address: IpAddr) -> u8 {
    if address.is_ipv6() { 128 } else { 32 }
}

/// Ones where the addresses of a subnet differ.
fn host_mask(width: u8, prefix: u8) -> u128 {
    u128::MAX.checked_shr(128 - u32::from(width - prefix)).unwrap_or(0)
}

fn to_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// An address of the family of `like`; the bits are of that family.
fn from_bits(bits: u128, like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::from_bits(bits as u32).into(),
        IpAddr::V6(_) => Ipv6Addr::from_bits(bits).into(),
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
            assert!(error.hint().is_some());
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
