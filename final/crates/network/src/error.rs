//! What can go wrong with a network: what was being done, on what, and why the kernel, or a rule of hull's, says no.

use std::io;
use std::net::IpAddr;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {action}: {source}")]
    Io { action: String, source: io::Error },
    #[error(transparent)]
    Netlink(#[from] hull_netlink::Error),
    #[error("cannot {action}: {why}")]
    Answer { action: String, why: &'static str },
    #[error(transparent)]
    Storage(#[from] hull_storage::Error),
    #[error("no such link: {0}")]
    NoSuchLink(String),
    #[error("invalid link name {name:?}: {why}")]
    InvalidLinkName { name: String, why: &'static str },
    #[error("invalid MAC address {0:?}")]
    InvalidMac(String),
    #[error("invalid subnet {text:?}: {why}")]
    InvalidSubnet { text: String, why: String },
    #[error("address {address} is outside the subnet {subnet}")]
    AddressOutside { address: IpAddr, subnet: String },
    #[error("address {address} cannot be given: it is {why}")]
    AddressReserved { address: IpAddr, why: &'static str },
    #[error("address {address} is already in use by container {container}")]
    AddressTaken { address: IpAddr, container: String },
    #[error("no addresses left in {pool}")]
    NoAddressLeft { pool: String },
    #[error("invalid port mapping {text:?}: {why}")]
    InvalidPort { text: String, why: String },
    #[error("port taken: {address} ({protocol}) is held by another process")]
    PortTaken { address: String, protocol: &'static str },
    #[error("port not permitted: {address} ({protocol}) is reserved for root")]
    PortReserved { address: String, protocol: &'static str },
}

impl Error {
    /// The kernel's error number, where it was the kernel who refused.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Io { source, .. } => source.raw_os_error(),
            Self::Netlink(error) => error.errno(),
            _ => None,
        }
    }

    /// What the reader can do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Netlink(_) | Self::Io { .. } => match self.errno()? {
                libc::EPERM | libc::EACCES => {
                    Some("networks need CAP_NET_ADMIN: use sudo, or an ordinary user's pasta".into())
                }
                libc::EOPNOTSUPP | libc::EPROTONOSUPPORT | libc::EAFNOSUPPORT => Some(
                    "this kernel was built without it: bridge, veth, nf_tables and nf_nat are needed".into(),
                ),
                _ => None,
            },
            Self::Storage(error) => error.hint(),
            Self::InvalidLinkName { .. } => Some("1 to 15 letters, digits, '-', '_' and '.'".into()),
            Self::InvalidMac(_) => {
                Some("six pairs of hex digits, the first one even: 02:42:ac:11:00:02".into())
            }
            Self::InvalidSubnet { .. } => {
                Some("a subnet is an address and a prefix length: 172.30.0.0/16, fd00:30::/64".into())
            }
            Self::AddressTaken { .. } => Some("leave --ip out for a free one".into()),
            Self::NoAddressLeft { .. } => {
                Some("remove a container, or make a network with a larger --subnet (or --ip-range)".into())
            }
            Self::InvalidPort { .. } => Some(
                "[IP:][HOST PORT:]CONTAINER PORT[/tcp|udp|sctp], where a port is 1 to 65535 or a range"
                    .into(),
            ),
            Self::PortTaken { .. } => {
                Some("choose another one, or leave the host port out for a free one: -p 80".into())
            }
            Self::PortReserved { address, .. } => {
                let port = address.rsplit(':').next().unwrap_or_default();
                let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
                let first = text.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(1024_u32);
                Some(format!(
                    "publish a port from {first} on, or let root permit it: sysctl -w \
                     net.ipv4.ip_unprivileged_port_start={port}"
                ))
            }
            _ => None,
        }
    }
}

/// Says what was being done when the kernel refused.
pub(crate) trait Context<T> {
    fn context(self, action: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<io::Error>> Context<T> for std::result::Result<T, E> {
    fn context(self, action: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Error::Io { action: action(), source: error.into() })
    }
}
