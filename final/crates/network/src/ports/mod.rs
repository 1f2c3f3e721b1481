//! Published ports, and the sockets that are bound on the host to reserve them (`reserve`).
//!
//! nftables forwards packets to a published port before they reach its socket, except those to ::1. The socket is there so
//! that the kernel treats the port as taken, for hull as for any other program. It is closed with the process that reserved
//! the port, however that ends.

mod reserve;

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

pub use reserve::{EVERYWHERE, ReservedPort, reserve};

/// A transport protocol with ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    Tcp,
    Udp,
    Sctp,
}

/// A container's port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Port {
    pub number: u16,
    pub transport: Transport,
}

/// A container's port that is to be published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// `None`: on all addresses of the host.
    pub host_ip: Option<IpAddr>,
    /// The first free port of this range, which includes both; `None`: any free port.
    pub host: Option<(u16, u16)>,
    pub container: Port,
}

impl Transport {
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }

    /// The protocol's number in an IP header (protocols(5)).
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// docker's notation: `80/tcp`.
impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.transport)
    }
}
