//! Ethernet addresses.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// A MAC address. In its first byte the lowest bit marks a group address, and the next one a locally administered address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// docker's choice for an IPv4 address: 02:42 and its four bytes. So MAC addresses are unique on a network, and neighbours'
    /// caches stay right when an IP address is allocated again. For an IPv6 address it is made of the last four bytes.
    pub fn for_address(address: IpAddr) -> Self {
        let [a, b, c, d] = match address {
            IpAddr::V4(address) => address.octets(),
            IpAddr::V6(address) => (address.to_bits() as u32).to_be_bytes(),
        };
        Self([0x02, 0x42, a, b, c, d])
    }

    /// The link-local IPv6 address of a link with this MAC address: fe80::/64 and the MAC address with ff:fe in the middle
    /// (RFC 4291, appendix A).
    pub fn link_local(self) -> Ipv6Addr {
        let [a, b, c, d, e, f] = self.0;
        let interface = u64::from_be_bytes([a ^ 0x02, b, c, 0xff, 0xfe, d, e, f]);
        Ipv6Addr::from_bits((0xfe80 << 112) | u128::from(interface))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for Mac {
    type Err = Error;

    /// A group address is refused, because the kernel refuses it for a link (EADDRNOTAVAIL).
    fn from_str(text: &str) -> Result<Self, Error> {
        let invalid = || Error::InvalidMac(text.to_owned());
        let mut bytes = [0; 6];
        let mut parts = text.split([':', '-']);
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2).ok_or_else(invalid)?;
            // from_str_radix accepts a sign.
            let digits = part.bytes().all(|digit| digit.is_ascii_hexdigit());
            *byte = u8::from_str_radix(part, 16).ok().filter(|_| digits).ok_or_else(invalid)?;
        }
        let usable = parts.next().is_none() && bytes[0] & 1 == 0 && bytes != [0; 6];
        usable.then_some(Self(bytes)).ok_or_else(invalid)
    }
}

impl TryFrom<String> for Mac {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> Self {
        mac.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_and_written() {
        let mac: Mac = "02:42:AC:11:00:02".parse().unwrap();
        assert_eq!(mac.to_string(), "02:42:ac:11:00:02");
        assert_eq!("02-42-ac-11-00-02".parse::<Mac>().unwrap(), mac);
        assert_eq!(Mac::for_address("172.17.0.2".parse().unwrap()), mac);
        assert_eq!(mac.link_local().to_string(), "fe80::42:acff:fe11:2");
    }

    #[test]
    fn what_no_link_can_have_is_refused() {
        for bad in [
            "",
            "02:42",
            "02:42:ac:11:00:02:03",
            "01:00:5e:00:00:01",
            "00:00:00:00:00:00",
            "+2:42:ac:11:00:02",
            "02:42:ac:11:00:0g",
            "0242ac110002",
        ] {
            assert!(bad.parse::<Mac>().is_err(), "{bad}");
        }
    }
}
