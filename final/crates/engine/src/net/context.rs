//! The parts of the engine that the network code needs: the state root, and the administrator's settings. Most
//! functions need only the root.

use hull_network::netlink::{Protocol, Socket};
use hull_network::nftables::Table;
use hull_storage::root::Root;

use crate::engine::{Engine, InvalidSetting, NetworkDefaults};
use crate::error::{Error, Result};
use crate::search_path::SearchPath;

/// The context of functions that may make a network: the default one is made according to the administrator's settings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    pub root: &'a Root,
    defaults: &'a Result<NetworkDefaults, InvalidSetting>,
    /// The search path for the programs of user-mode networks.
    pub programs: &'a SearchPath,
}

impl<'a> Context<'a> {
    pub(super) fn defaults(&self) -> Result<&'a NetworkDefaults> {
        self.defaults
            .as_ref()
            .map_err(|InvalidSetting { what, why }| Error::Invalid { what: what.clone(), why: why.clone() })
    }
}

impl Engine {
    /// The context of the network code.
    pub(crate) fn network_context(&self) -> Context<'_> {
        Context { root: self.root(), defaults: self.network_defaults(), programs: self.programs() }
    }
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
