//! Details of an error, beside its kind, from which a hint is made.

use std::net::IpAddr;

use hull_image::{Error as Image, RegistryProblem};
use hull_network::Error as Network;
use hull_storage::{Error as Storage, OverlayObstacle};
use serde::{Deserialize, Serialize};

use super::{Error, Obstacle};

/// The situation in which an error leaves the caller, with the names and numbers that a hint about it needs. It is made
/// where the error is, and survives the way from the monitor to the command ([`super::Report`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Detail {
    // Containers.
    NoSuchContainer,
    /// The container runs or is paused, and the request needs another state.
    WrongState {
        container: String,
        verb: String,
        state: String,
    },
    /// A running container is not removed without force.
    ContainerRuns {
        container: String,
    },
    DamagedContainer {
        container: String,
    },
    MonitorSilent {
        container: String,
        pid: i32,
    },
    /// The container's monitor lives, and its state in the run root is gone.
    MonitorAlive {
        container: String,
    },
    /// Another process holds a lock. 0 is a process that is not visible from here.
    LockHeld {
        pid: i32,
        is_stopped: bool,
    },
    NameTaken {
        container: String,
    },
    NoSuchSnapshot {
        container: String,
    },
    SnapshotExists,
    // Images.
    NoSuchImage {
        nearest: Option<String>,
    },
    ImageInUse {
        container: String,
    },
    /// A file of the image store, or a blob, is damaged.
    DamagedImage,
    NotAnImage,
    NotATar,
    IncompleteArchive,
    RegistryUnreachable,
    RegistryCertificate {
        registry: String,
    },
    RegistryDenied {
        registry: String,
    },
    NotInRegistry,
    RegistryBusy,
    // Volumes.
    NoSuchVolume,
    NoSuchPool,
    NoSuchPoolVolume {
        pool: String,
    },
    PoolUnavailable {
        pool: String,
    },
    VolumeInUse {
        containers: Vec<String>,
    },
    // Networks.
    NoSuchNetwork,
    NoSuchProfile,
    ProfileInUse {
        name: String,
    },
    /// The known name that is most like a misspelt one.
    DidYouMean {
        name: String,
    },
    ProtectedContainer {
        container: String,
    },
    Parent {
        link: String,
        problem: ParentProblem,
    },
    NoSuchNetworkDriver {
        driver: String,
    },
    NetworkInUse {
        network: String,
        container: String,
    },
    /// Networks on the host take CAP_NET_ADMIN.
    NetworkNotPermitted,
    NetworkNotInKernel,
    /// An unprivileged user's network needs a program that is missing or does not start.
    NoUserModeNetwork,
    NoTunDevice,
    InvalidLinkName,
    InvalidMac,
    InvalidSubnet,
    AddressTaken,
    NoAddressLeft,
    InvalidPort,
    PortTaken,
    PortReserved {
        port: u16,
        /// The first port that is not reserved for root.
        first: u32,
    },
    // The machine.
    /// An id that is not mapped into the user namespace of an unprivileged user's containers.
    IdNotMapped,
    UserNamespace(Obstacle),
    Overlay(OverlayObstacle),
    /// The files below hull's roots belong to another user.
    RootNotPermitted,
    RootReadOnly,
    DiskFull,
    NewerFormat,
    ForeignDirectory,
    ForeignRunRoot,
    /// A sentence about this machine from a crate that examined it: which kernel setting, which limit.
    Advice(String),
}

/// Why a link of the host's cannot be the parent of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ParentProblem {
    #[error("there is no such link")]
    Missing,
    #[error("nobody else is on it")]
    Loopback,
    #[error("it is down")]
    Down,
    #[error("it is a port of a bridge")]
    PortOfBridge,
    /// The network would make the link a port of its own bridge.
    #[error("it is a port of another bridge")]
    PortOfOtherBridge,
    #[error("it is a bridge itself")]
    IsBridge,
    #[error("the host would lose its address {0} there")]
    HasAddress(IpAddr),
}

impl Detail {
    pub(super) fn of(error: &Error) -> Option<Self> {
        let advice = |advice: Option<String>| advice.map(Self::Advice);
        Some(match error {
            Error::NoSuchContainer(_) => Self::NoSuchContainer,
            Error::NoSuchSnapshot { container, .. } => Self::NoSuchSnapshot { container: container.clone() },
            Error::SnapshotExists { .. } => Self::SnapshotExists,
            Error::WrongState { verb, name, state } => Self::WrongState {
                container: name.clone(),
                verb: (*verb).to_owned(),
                state: (*state).to_owned(),
            },
            Error::InUse { name, .. } => Self::ContainerRuns { container: name.clone() },
            Error::DamagedRecord { name, .. } => Self::DamagedContainer { container: name.clone() },
            Error::MonitorSilent { name, pid, .. } => {
                Self::MonitorSilent { container: name.clone(), pid: *pid }
            }
            Error::MonitorAlive { name, .. } => Self::MonitorAlive { container: name.clone() },
            Error::Busy { holder, is_stopped, .. } => {
                Self::LockHeld { pid: *holder, is_stopped: *is_stopped }
            }
            Error::Several(errors) => return errors.iter().find_map(Self::of),
            Error::WithUndo { first, .. } => return Self::of(first),
            Error::Reported(report) | Error::Pull(report) => return report.detail().cloned(),
            Error::NotPulled { missing, .. } => return Self::of_image(missing),
            Error::NoSuchNetwork(_) => Self::NoSuchNetwork,
            Error::NoSuchPool(_) => Self::NoSuchPool,
            Error::NoSuchPoolVolume { pool, .. } => Self::NoSuchPoolVolume { pool: pool.clone() },
            Error::PoolUnavailable { pool, .. } => Self::PoolUnavailable { pool: pool.clone() },
            Error::InContainer { source, .. } => return Self::of(source),
            Error::PoolFull { pool, .. } => Self::Advice(format!(
                "hull storage info {pool} says what uses it; hull storage set {pool} size=SIZE enlarges an image"
            )),
            Error::NoSuchProfile(_) => Self::NoSuchProfile,
            Error::ProfileInUse { name, .. } => Self::ProfileInUse { name: name.clone() },
            Error::Protected(name) => Self::ProtectedContainer { container: name.clone() },
            Error::Lxd(error) => return Self::of_setting(error),
            Error::NoSuchDriver(driver) => Self::NoSuchNetworkDriver { driver: driver.clone() },
            Error::Parent { link, problem } => Self::Parent { link: link.clone(), problem: problem.clone() },
            Error::NetworkInUse { network, user } => {
                Self::NetworkInUse { network: network.clone(), container: user.clone() }
            }
            Error::UserMode { needs_tun: true, .. } => Self::NoTunDevice,
            Error::UserMode { .. } => Self::NoUserModeNetwork,
            Error::NotMapped { .. } => Self::IdNotMapped,
            Error::Runtime(error) => return advice(error.hint()),
            Error::Cgroup(error) => return advice(error.hint()),
            Error::Rootless(error) => return error.detail(),
            Error::Storage(error) => return Self::of_storage(error),
            Error::Network(error) => return Self::of_network(error),
            Error::Image(error) => return Self::of_image(error),
            _ => return None,
        })
    }

    /// The same for an error of the crate `image`.
    pub fn of_image(error: &Image) -> Option<Self> {
        Some(match error {
            Image::NoSuchImage { nearest, .. } => Self::NoSuchImage { nearest: nearest.clone() },
            Image::InUse { container, .. } => Self::ImageInUse { container: container.clone() },
            Image::NotAnImage(_) => Self::NotAnImage,
            Image::Foreign { instead, .. } => Self::Advice((*instead).to_owned()),
            Image::NotATar(_) => Self::NotATar,
            Image::Damaged(_) => Self::IncompleteArchive,
            Image::Io { source, .. } if is_full(source) => Self::DiskFull,
            Image::Registry { registry, problem, .. } => match problem {
                RegistryProblem::Unreachable => Self::RegistryUnreachable,
                RegistryProblem::Certificate => Self::RegistryCertificate { registry: registry.clone() },
                RegistryProblem::Denied => Self::RegistryDenied { registry: registry.clone() },
                RegistryProblem::NotFound => Self::NotInRegistry,
                RegistryProblem::TooMany => Self::RegistryBusy,
                RegistryProblem::Wrong | RegistryProblem::Other => return None,
            },
            Image::Child { kind, .. } => match kind {
                hull_sys::Kind::Exhausted => Self::DiskFull,
                hull_sys::Kind::Damaged => Self::IncompleteArchive,
                hull_sys::Kind::NotPermitted => Self::RootNotPermitted,
                _ => return None,
            },
            Image::Json { .. } | Image::Storage(Storage::Damaged { .. }) => Self::DamagedImage,
            Image::Storage(error) => return Self::of_storage(error),
            _ => return None,
        })
    }

    /// The same for an error of the crate `storage`.
    pub fn of_storage(error: &Storage) -> Option<Self> {
        Some(match error {
            Storage::Io { source, .. } => match hull_sys::errno_of(source)? {
                libc::EACCES | libc::EPERM => Self::RootNotPermitted,
                libc::ENOSPC | libc::EDQUOT => Self::DiskFull,
                libc::EROFS => Self::RootReadOnly,
                _ => return None,
            },
            Storage::Held { holder, is_stopped, .. } => {
                Self::LockHeld { pid: *holder, is_stopped: *is_stopped }
            }
            Storage::NewerFormat { .. } => Self::NewerFormat,
            Storage::ForeignDirectory { .. } => Self::ForeignDirectory,
            Storage::ForeignRunRoot { .. } => Self::ForeignRunRoot,
            Storage::NameTaken { name, .. } => Self::NameTaken { container: name.clone() },
            Storage::NoSuchVolume(_) => Self::NoSuchVolume,
            Storage::VolumeInUse { name, users } => match name.split_once('/') {
                // A volume of a pool can be detached from a container that keeps running.
                Some((pool, volume)) => Self::Advice(format!(
                    "take it from them first: hull storage volume detach {pool} {volume} CONTAINER"
                )),
                None => Self::VolumeInUse { containers: users.clone() },
            },
            Storage::Overlay { obstacle, .. } => Self::Overlay((*obstacle)?),
            _ => return None,
        })
    }

    /// The detail of an error of the crate `lxd`.
    fn of_setting(error: &hull_lxd::Error) -> Option<Self> {
        if let Some(near) = error.near() {
            return Some(Self::DidYouMean { name: near.into() });
        }
        let choices = error.choices();
        (!choices.is_empty()).then(|| Self::Advice(format!("there are {}", choices.join(", "))))
    }

    /// The same for an error of the crate `network`.
    pub fn of_network(error: &Network) -> Option<Self> {
        Some(match error {
            Network::Netlink(_) | Network::Io { .. } => match error.errno()? {
                libc::EPERM | libc::EACCES => Self::NetworkNotPermitted,
                libc::EOPNOTSUPP | libc::EPROTONOSUPPORT | libc::EAFNOSUPPORT => Self::NetworkNotInKernel,
                _ => return None,
            },
            Network::Storage(error) => return Self::of_storage(error),
            Network::InvalidLinkName { .. } => Self::InvalidLinkName,
            Network::InvalidMac(_) => Self::InvalidMac,
            Network::InvalidSubnet { .. } => Self::InvalidSubnet,
            Network::AddressTaken { .. }
            | Network::AddressTakenByLink { .. }
            | Network::AddressUnknown { .. } => Self::AddressTaken,
            Network::NoAddressLeft { .. } => Self::NoAddressLeft,
            Network::InvalidPort { .. } => Self::InvalidPort,
            Network::PortTaken { .. } => Self::PortTaken,
            Network::PortReserved { address, .. } => {
                let port = address.rsplit(':').next().and_then(|port| port.parse().ok())?;
                let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
                let first = text.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(1024);
                Self::PortReserved { port, first }
            }
            _ => return None,
        })
    }
}

fn is_full(error: &std::io::Error) -> bool {
    matches!(hull_sys::errno_of(error), Some(libc::ENOSPC | libc::EDQUOT))
}
