//! Containers on networks.
//!
//! ```text
//! record      a network: what was asked, and which addresses it has
//! driver      what its containers are plugged into
//! user_mode     an ordinary user's instead: pasta or slirp4netns
//! bridge      its link on the host, made when the first container needs it, and kept
//! macvlan     containers on the host's LAN, with nothing of theirs on the host
//! parent      a link of the host's that a network shares
//! vxlan       one network on several hosts
//! endpoint    a container's place on a network: address, cable, published ports (network.json in its run directory)
//! attachment  the monitor's part: takes places, has them plugged in and unplugged, gives them back
//! cable       what is laid for a place, and taken away
//! link        --link, of the time before names
//! expose      a name for ip netns
//! trace       one container's links, addresses and rules, from the inside out
//! names       the resolver at 127.0.0.11, on networks other than the default one
//! show        what ps, port and inspect say of it
//! create, verbs, connect   hull network
//! relay       connections to ::1, copied
//! reload      rules that another tool has flushed
//! ended       who has ended, taken out of the rules many at a time
//! recover     what a killed monitor left of it
//! ```
//!
//! `network.json` is written before anything it names is made. A lease names the monitor's process and ends with it, a
//! cable goes with the container's namespace, a port with the monitor's socket; only the rules' elements are left by a
//! kill, and whoever clears the container finds them by that file.

mod attachment;
mod connect;
mod create;
mod drivers;
mod endpoint;
mod expose;
mod inspect;
mod interfaces;
mod legacy_links;
mod proxy;
mod record;
mod recover;
mod reload;
mod resolver;
mod stale;
mod trace;
mod verbs;

pub(crate) use attachment::Attachment;
pub(crate) use attachment::gateway;
pub use create::NetworkOptions;
pub(crate) use drivers::driver_hint;
pub(crate) use drivers::user_mode::{
    address as user_mode_address, namespace_file, resolver as user_mode_resolver,
};
pub(crate) use endpoint::{Endpoint, endpoints};
pub use inspect::PublishedPort;
pub(crate) use inspect::{
    exposed_ports, network_mode, network_names, network_settings, port_bindings, ports_column, published_on,
};
pub(crate) use legacy_links::{hosts_lines, links_are_in_hosts, variables as link_variables};
pub use record::{DEFAULT, NetworkRecord};
pub(crate) use recover::{clear, clear_lost, mark_shared};
pub(crate) use resolver::{has_resolver, rename};

use std::net::{Ipv4Addr, UdpSocket};

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::Mark;

use crate::error::{Error, Result};
use crate::records::options::{CreateOptions, NetworkMode};
use crate::rootless::is_installed;

/// What an ordinary user can do for a network.
pub(crate) const USER_MODE_HINT: &str = "an ordinary user's packets are carried by slirp4netns (apt install \
     slirp4netns) or pasta (apt install passt), which open /dev/net/tun; or use --network host, or sudo";

/// Refuses what the machine, or an ordinary user's default, cannot give.
pub(crate) fn check_mode(options: &CreateOptions) -> Result<()> {
    match &options.network {
        NetworkMode::None if !options.publish.is_empty() && hull_sys::process::in_user_namespace() => {
            let what = "-p: an ordinary user's containers have no network of their own here".into();
            let why = drivers::user_mode::usual().err().unwrap_or_else(|| "--network none".into());
            Err(Error::UserMode { what, why })
        }
        NetworkMode::UserMode(program) if !hull_sys::process::in_user_namespace() => {
            Err(Error::Unsupported(format!(
                "--network {}: that is for an ordinary user; root has networks: --network bridge",
                program.name()
            )))
        }
        NetworkMode::Networks if hull_sys::process::in_user_namespace() => check_rights(),
        NetworkMode::UserMode(program) if !is_installed(program.name()) => Err(Error::UserMode {
            what: format!("--network {}", program.name()),
            why: format!("it is not installed: apt install {}", program.package()),
        }),
        _ => Ok(()),
    }
}

/// Refuses networks on the host to whom its kernel will. In a user namespace's own network namespace root may have them.
pub(crate) fn check_rights() -> Result<()> {
    // To mark packets takes CAP_NET_ADMIN over the socket's network namespace (socket(7)), and 0 is no mark.
    let may = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map(|socket| setsockopt(&socket, Mark, &0).is_ok());
    match may.unwrap_or(true) {
        true => Ok(()),
        false => Err(Error::UserMode {
            what: "no network can be made on the host".into(),
            why: "that takes CAP_NET_ADMIN".into(),
        }),
    }
}

/// Of who says nothing: the default network for root. An ordinary user can make none: what a program carries where there
/// is one, and else nothing but `lo`.
pub(crate) fn default_mode() -> NetworkMode {
    match hull_sys::process::in_user_namespace() {
        true => drivers::user_mode::usual().map_or(NetworkMode::None, NetworkMode::UserMode),
        false => NetworkMode::Networks,
    }
}
