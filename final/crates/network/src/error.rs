//! The errors of networks: what was being done, on what, and why the kernel or hull refused it.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use hull_sys::Kind;

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
    /// The container's lease is lost, but it is still attached.
    #[error("address {address} is already in use by the container at the other end of {link}")]
    AddressTakenByLink { address: IpAddr, link: String },
    #[error("address {address} may be in use: its lease {} is damaged", path.display())]
    AddressUnknown { address: IpAddr, path: PathBuf },
    #[error("no addresses left in {pool}")]
    NoAddressLeft { pool: String },
    #[error("invalid port mapping {text:?}: {why}")]
    InvalidPort { text: String, why: String },
    #[error("port taken: {address} ({protocol}) is held by another process")]
    PortTaken { address: String, protocol: &'static str },
    /// A part of the kernel that limits traffic.
    #[error("this kernel cannot limit the traffic {direction}: it lacks {options}")]
    NoTrafficControl { direction: String, options: &'static str },
    #[error("port not permitted: {address} ({protocol}) is reserved for root")]
    PortReserved { address: String, protocol: &'static str },
}

impl Error {
    /// The kernel's error number, if the kernel refused.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Io { source, .. } => source.raw_os_error(),
            Self::Netlink(error) => error.errno(),
            _ => None,
        }
    }

    /// What sort of failure it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Io { source, .. } => Kind::from_io(source),
            Self::Netlink(error) => error.kind(),
            Self::Answer { .. } => Kind::Kernel,
            Self::NoTrafficControl { .. } => Kind::Unsupported,
            Self::Storage(error) => error.kind(),
            Self::NoSuchLink(_) => Kind::NotFound,
            Self::InvalidLinkName { .. }
            | Self::InvalidMac(_)
            | Self::InvalidSubnet { .. }
            | Self::AddressOutside { .. }
            | Self::AddressReserved { .. }
            | Self::InvalidPort { .. } => Kind::Invalid,
            Self::AddressTaken { .. }
            | Self::AddressTakenByLink { .. }
            | Self::AddressUnknown { .. }
            | Self::PortTaken { .. } => Kind::InUse,
            Self::NoAddressLeft { .. } => Kind::Exhausted,
            Self::PortReserved { .. } => Kind::NotPermitted,
        }
    }
}

hull_sys::define_context!(Error);
