//! Sets and maps: the part that changes with each container. The rules look packets up in them, so the cost for a packet, and
//! for one more container, does not grow with the number of containers and ports.

use std::net::IpAddr;

use super::kernel::{NFPROTO_BRIDGE, NFPROTO_INET};
use crate::mac::Mac;

/// A field of a key or of data: nft's number of its type, by which nft(8) prints it, and its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Type {
    pub number: u32,
    pub length: u32,
}

const IP4: Type = Type { number: 7, length: 4 };
const IP6: Type = Type { number: 8, length: 16 };
pub const MAC: Type = Type { number: 9, length: 6 };
pub const TRANSPORT: Type = Type { number: 12, length: 1 };
pub const PORT: Type = Type { number: 13, length: 2 };
pub const NAME: Type = Type { number: 41, length: 16 };
/// A VXLAN's number. nft has no such type, and prints 42 like an address: 0.0.42.0.
pub const VXLAN: Type = Type { number: 7, length: 3 };

/// A set, or with `data` a map.
#[derive(Debug)]
pub struct Set {
    pub family: u8,
    pub name: &'static str,
    pub key: &'static [Type],
    pub data: &'static [Type],
}

const fn set(family: u8, name: &'static str, key: &'static [Type], data: &'static [Type]) -> Set {
    Set { family, name, key, data }
}

/// The networks' bridges.
pub const BRIDGES: Set = set(NFPROTO_INET, "bridges", &[NAME], &[]);
/// Each bridge as a pair with itself: packets from a bridge to the same bridge. A rule cannot compare two registers, but it can
/// look both up.
pub const SAME: Set = set(NFPROTO_INET, "same", &[NAME, NAME], &[]);
/// Those of [`SAME`] whose containers may communicate with each other.
pub const OPEN: Set = set(NFPROTO_INET, "open", &[NAME, NAME], &[]);
/// Networks whose packets leave with the host's address.
pub const MASQUERADING: Set = set(NFPROTO_INET, "masquerading", &[NAME], &[]);
/// Internal networks, which packets neither leave nor enter.
pub const INTERNAL: Set = set(NFPROTO_INET, "internal", &[NAME], &[]);
/// The UDP ports and numbers of VXLANs, and the peers of each.
pub const TUNNELS: Set = set(NFPROTO_INET, "tunnels", &[PORT, VXLAN], &[]);
pub const PEERS4: Set = set(NFPROTO_INET, "peers4", &[PORT, VXLAN, IP4], &[]);
pub const PEERS6: Set = set(NFPROTO_INET, "peers6", &[PORT, VXLAN, IP6], &[]);
/// Containers' addresses, each with its bridge.
pub const MEMBERS4: Set = set(NFPROTO_INET, "members4", &[NAME, IP4], &[]);
pub const MEMBERS6: Set = set(NFPROTO_INET, "members6", &[NAME, IP6], &[]);
/// Ports published on every address of the host, and on one.
pub const PORTS4: Set = set(NFPROTO_INET, "ports4", &[TRANSPORT, PORT], &[IP4, PORT]);
pub const PORTS6: Set = set(NFPROTO_INET, "ports6", &[TRANSPORT, PORT], &[IP6, PORT]);
pub const PORTS4_AT: Set = set(NFPROTO_INET, "ports4_at", &[TRANSPORT, IP4, PORT], &[IP4, PORT]);
pub const PORTS6_AT: Set = set(NFPROTO_INET, "ports6_at", &[TRANSPORT, IP6, PORT], &[IP6, PORT]);
/// The bridge ports of containers, and the source addresses that each accepts.
pub const LINKS: Set = set(NFPROTO_BRIDGE, "links", &[NAME], &[]);
pub const MACS: Set = set(NFPROTO_BRIDGE, "macs", &[NAME, MAC], &[]);
pub const ADDRESSES4: Set = set(NFPROTO_BRIDGE, "addresses4", &[NAME, IP4], &[]);
pub const ADDRESSES6: Set = set(NFPROTO_BRIDGE, "addresses6", &[NAME, IP6], &[]);

pub const ALL: [&Set; 18] = [
    &BRIDGES,
    &SAME,
    &OPEN,
    &MASQUERADING,
    &INTERNAL,
    &TUNNELS,
    &PEERS4,
    &PEERS6,
    &MEMBERS4,
    &MEMBERS6,
    &PORTS4,
    &PORTS6,
    &PORTS4_AT,
    &PORTS6_AT,
    &LINKS,
    &MACS,
    &ADDRESSES4,
    &ADDRESSES6,
];

/// The number of bytes that the fields take in registers of four bytes.
pub fn length(fields: &[Type]) -> u32 {
    let padded =
        |field: &Type| if fields.len() == 1 { field.length } else { field.length.next_multiple_of(4) };
    fields.iter().map(padded).sum()
}

/// The types of several fields as one number: six bits each, the first field in the highest.
pub fn number(fields: &[Type]) -> u32 {
    fields.iter().fold(0, |number, field| number << 6 | field.number)
}

/// An element of a set, or of a map if it has data.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Element {
    pub key: Vec<u8>,
    pub data: Vec<u8>,
}

/// Concatenated fields, each padded to whole registers.
#[derive(Debug, Clone, Default)]
pub struct Fields(Vec<u8>);

impl Fields {
    /// A link's name, padded with zeros to sixteen bytes.
    pub fn name(mut self, name: &str) -> Self {
        let mut bytes = name.as_bytes().to_vec();
        bytes.resize(16, 0);
        self.0.extend(bytes);
        self
    }

    pub fn mac(self, mac: Mac) -> Self {
        self.padded(&mac.0)
    }

    pub fn ip(self, ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => self.padded(&ip.octets()),
            IpAddr::V6(ip) => self.padded(&ip.octets()),
        }
    }

    pub fn transport(self, number: u8) -> Self {
        self.padded(&[number])
    }

    pub fn port(self, port: u16) -> Self {
        self.padded(&port.to_be_bytes())
    }

    pub fn key(self) -> Element {
        Element { key: self.0, data: Vec::new() }
    }

    pub fn vxlan(self, number: u32) -> Self {
        let [_, number @ ..] = number.to_be_bytes();
        self.padded(&number)
    }

    pub fn with_data(self, data: Self) -> Element {
        Element { key: self.0, data: data.0 }
    }

    fn padded(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }
}
