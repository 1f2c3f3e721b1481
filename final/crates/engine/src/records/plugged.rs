//! The effects of LXD's devices that are neither mounts nor networks: links without a network of hull, proxies, CDI
//! devices.

use std::net::IpAddr;
use std::path::PathBuf;

use hull_network::mac::Mac;
use hull_network::ports::Mapping;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Plugged {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nics: Vec<Nic>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub proxies: Vec<Proxy>,
    /// The ports of proxies with `nat=true`, which rules forward. Each is after the name of its device.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<(String, Mapping)>,
    /// Names of CDI devices (`vendor/class=name`), each after the name of the device that asks for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cdi: Vec<(String, String)>,
}

impl Plugged {
    /// Whether a link is called so in the container.
    pub(crate) fn has_link(&self, name: &str) -> bool {
        self.nics.iter().any(|nic| nic.name == name)
    }
}

/// A link that is made, or taken from the host, for one container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nic {
    pub device: String,
    pub kind: NicKind,
    /// The link of the host: a bridge, the parent of a macvlan, or the link that is moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The link's name in the container.
    pub name: String,
    /// The name of a veth pair's end on the host.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub host_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// The addresses of a routed link.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    #[serde(default, skip_serializing_if = "TrafficLimits::is_default")]
    pub limits: TrafficLimits,
}

/// LXD's `nictype`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NicKind {
    /// A veth pair with one end on a bridge of the host.
    Bridged,
    Macvlan,
    /// A link of the host, which is moved back when the container ends.
    Physical,
    /// A veth pair whose other end is on the host, on no bridge.
    P2p,
    /// As `P2p`, with the container's addresses routed to the link.
    Routed,
}

/// Limits of traffic, in bits per second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrafficLimits {
    /// To the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress: Option<u64>,
    /// From the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub egress: Option<u64>,
}

impl TrafficLimits {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Connections to `listen` are copied to `connect`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proxy {
    pub device: String,
    pub listen: Vec<Address>,
    pub connect: Vec<Address>,
    /// The proxy listens in the container, and connects on the host.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub listens_inside: bool,
    /// The owner of the unix socket on which it listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<(u32, u32)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
}

/// One address of a proxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Address {
    Tcp(IpAddr, u16),
    Udp(IpAddr, u16),
    Unix(PathBuf),
    /// A name without a file (unix(7), "abstract").
    Abstract(String),
}
