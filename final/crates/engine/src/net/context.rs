//! What the network code needs of the engine: the state root, and the administrator's settings. Most functions need only
//! the root.

use std::net::IpAddr;

use hull_network::netlink::{Protocol, Socket};
use hull_network::nftables::Table;
use hull_storage::root::Root;

use crate::error::Result;
use crate::search_path::SearchPath;

/// The administrator's settings for the default network, and for networks created without a subnet. docker's
/// `daemon.json` has them.
#[derive(Debug, Clone, Default)]
pub struct NetworkDefaults {
    /// The default network's gateway, and the length of its prefix.
    pub gateway: Option<(IpAddr, u8)>,
    /// The part of the subnet from which containers get addresses.
    pub range: Option<(IpAddr, u8)>,
    pub mtu: Option<u32>,
    /// Inter-container communication: whether containers on the network may send to each other.
    pub inter_container: Option<bool>,
    pub masquerade: Option<bool>,
    /// The host address for published ports that name none.
    pub host_ip: Option<IpAddr>,
    /// Pools to take subnets from, each with the length of a subnet's prefix.
    pub pools: Vec<((IpAddr, u8), u8)>,
}

/// What a function needs that may make a network: the default one is made according to the administrator's settings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    pub root: &'a Root,
    pub defaults: &'a NetworkDefaults,
    /// Where the programs of user-mode networks are found.
    pub programs: &'a SearchPath,
}

/// Netlink sockets in the host's network namespace. One pair is opened for a whole transition, because closing a socket
/// makes the kernel wait.
pub(super) struct Sockets {
    /// Links, addresses and routes.
    pub route: Socket,
    /// nftables and connection tracking.
    pub filter: Socket,
}

impl Sockets {
    pub(super) fn open() -> Result<Self> {
        Ok(Self { route: Socket::open(Protocol::Route)?, filter: Socket::open(Protocol::Netfilter)? })
    }
}

/// The nftables tables of this root.
pub(super) fn table(root: &Root) -> Table {
    Table::new(&root.name_suffix())
}
