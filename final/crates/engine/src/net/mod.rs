//! Containers on networks.
//!
//! ```text
//! context       what this code needs of the engine; netlink sockets
//! options       the options of network create
//! record        a network: the options its user gave, and what hull chose
//! store         networks on disk, and their locks
//! subnets       choosing subnets
//! default       the default network
//! drivers/      how a network connects its containers: bridge, macvlan, vxlan; user-mode networks
//! setup         creates a network's bridge or links when the first container needs them
//! endpoint      a container's connection to a network (network.json in its run directory)
//! allocate      endpoints allocated and released
//! publish       published ports (the sockets: hull_network::ports)
//! interfaces    a container's interfaces attached and detached
//! nics          links of containers that belong to no network of hull
//! attachment    the monitor's part: all of these in the order of a container's life
//! resolver      a container's own DNS resolver, at 127.0.0.11
//! proxy         connections that no rule can forward, copied by processes
//! stale         rules of ended containers, removed many at a time
//! special       host and none, which are only modes
//! shared        network namespaces that two containers share
//! killed_monitor  cleanup after a killed monitor
//! reload        rules that another tool has removed
//! legacy_links  --link
//! events        events of networks
//! inspect       what ps, port and inspect print
//! create, change, connect, expose, trace, verbs     the verbs of hull network
//! ```
//!
//! `network.json` is written before anything that it names is made. What it names ends by itself after a kill, except
//! the nftables elements: a lease ends with the monitor's process, a veth pair with the container's network namespace,
//! a reserved port with the monitor's socket. The process that cleans up after the container finds the elements by that
//! file.

mod allocate;
mod attachment;
mod change;
mod connect;
mod context;
mod create;
mod default;
mod drivers;
mod endpoint;
mod events;
mod expose;
mod inspect;
mod interfaces;
mod killed_monitor;
mod legacy_links;
mod nics;
mod options;
mod proxy;
mod publish;
mod record;
mod reload;
mod resolver;
mod setup;
mod shared;
mod special;
mod stale;
mod store;
mod subnets;
mod succession;
pub mod trace;
mod verbs;

pub(crate) use attachment::Attachment;
pub use change::{NetworkChange, NetworkLease};
pub(crate) use connect::{plug, unplug};
pub(crate) use drivers::user_mode::{
    address as user_mode_address, namespace_file, resolver as user_mode_resolver,
};
pub use endpoint::PublishedPort;
pub(crate) use endpoint::{Endpoint, endpoints};
pub(crate) use inspect::{
    Subject, exposed_ports, network_mode, network_names, network_settings, networks, port_bindings,
    ports_column, published_on,
};
pub(crate) use killed_monitor::{clear, clear_lost};
pub(crate) use legacy_links::{hosts_lines, links_are_in_hosts, variables as link_variables};
pub(crate) use nics::{add_nic, remove_nic};
pub use options::NetworkOptions;
pub use record::{DEFAULT, NetworkRecord};
pub(crate) use resolver::{has_resolver, rename};
pub(crate) use shared::mark_shared;
pub(crate) use store::{find, of_bridge as network_of_bridge};
pub(crate) use succession::Succession;

use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use hull_network::pool::Pool;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::Mark;

use crate::error::{Error, Result};
use crate::records::options::{CreateOptions, NetworkMode};
use crate::search_path::SearchPath;

/// Refuses a network mode that this machine, or this user, cannot have.
pub(crate) fn check_mode(options: &CreateOptions, programs: &SearchPath) -> Result<()> {
    // Called only where it matters, because it reads a file in /proc.
    let is_rootless = hull_sys::id_map::in_user_namespace;
    match &options.network {
        NetworkMode::None if !options.publish.is_empty() && is_rootless() => {
            let what = "-p: an unprivileged user's containers have no network of their own here".into();
            let problem = drivers::user_mode::default_program(programs).err();
            let why = problem.as_ref().map_or_else(|| "--network none".into(), ToString::to_string);
            Err(Error::UserMode {
                what,
                why,
                needs_tun: matches!(problem, Some(drivers::user_mode::NoUserMode::Tun(_))),
            })
        }
        NetworkMode::UserMode(program) if !is_rootless() => Err(Error::Unsupported(format!(
            "--network {}: that is for an unprivileged user; root has networks: --network bridge",
            program.name()
        ))),
        NetworkMode::Networks if is_rootless() => check_rights(),
        NetworkMode::UserMode(program) if !programs.has(program.name()) => Err(Error::UserMode {
            what: format!("--network {}", program.name()),
            why: format!("it is not installed: apt install {}", program.package()),
            needs_tun: false,
        }),
        _ => Ok(()),
    }
}

/// Fails if this process may not make networks on the host. In a user namespace with a network namespace of its own, root
/// may.
pub(crate) fn check_rights() -> Result<()> {
    // Setting a mark takes CAP_NET_ADMIN over the socket's network namespace (socket(7), SO_MARK). 0 is no mark.
    let may = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map(|socket| setsockopt(&socket, Mark, &0).is_ok());
    match may.unwrap_or(true) {
        true => Ok(()),
        false => Err(Error::UserMode {
            what: "no network can be made on the host".into(),
            why: "that takes CAP_NET_ADMIN".into(),
            needs_tun: false,
        }),
    }
}

/// The mode of a container that names none. Root's is the default network. An unprivileged user's is a user-mode network
/// if this machine has one that works, else nothing but `lo`.
pub(crate) fn default_mode(programs: &SearchPath) -> NetworkMode {
    match hull_sys::id_map::in_user_namespace() {
        true => {
            drivers::user_mode::default_program(programs).map_or(NetworkMode::None, NetworkMode::UserMode)
        }
        false => NetworkMode::Networks,
    }
}

/// The address at which a container reaches the host: the gateway of its first network that is not a LAN's.
pub(crate) fn gateway(endpoints: &[Endpoint]) -> Option<IpAddr> {
    let behind_host = endpoints.iter().filter(|endpoint| !endpoint.network.driver().is_on_lan());
    behind_host.flat_map(|endpoint| &endpoint.network.pools).map(Pool::gateway).next()
}
