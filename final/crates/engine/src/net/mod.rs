//! Containers on networks.
//!
//! ```text
//! record      a network: what was asked, and which addresses it has
//! driver      what its containers are plugged into
//! carrier     an ordinary user's instead: pasta or slirp4netns
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
mod bridge;
mod cable;
mod carrier;
mod connect;
mod create;
mod driver;
mod ended;
mod endpoint;
mod expose;
mod link;
mod macvlan;
mod names;
mod parent;
mod record;
mod recover;
mod relay;
mod reload;
mod show;
mod trace;
mod verbs;
mod vxlan;

pub(crate) use attachment::Attachment;
pub(crate) use attachment::gateway;
pub(crate) use carrier::{address as carried_address, namespace_file, resolver as carried_resolver};
pub use create::NetworkOptions;
pub(crate) use driver::instead_of;
pub(crate) use endpoint::{Endpoint, endpoints};
pub(crate) use link::{in_hosts, linked, variables as link_variables};
pub(crate) use names::{has_resolver, rename};
pub use record::{DEFAULT, NetworkRecord};
pub(crate) use recover::{clear, clear_lost, note_shared};
pub use show::PublishedPort;
pub(crate) use show::{
    exposed_ports, network_mode, network_names, network_settings, port_bindings, ports_column, published_on,
};

use std::net::{Ipv4Addr, UdpSocket};

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::Mark;

use crate::error::{Error, Result};
use crate::records::options::{CreateOptions, NetworkMode};
use crate::rootless::is_installed;

/// What an ordinary user can do for a network.
pub(crate) const CARRIER_HINT: &str = "an ordinary user's packets are carried by slirp4netns (apt install \
     slirp4netns) or pasta (apt install passt), which open /dev/net/tun; or use --network host, or sudo";

/// Refuses what the machine, or an ordinary user's default, cannot give.
pub(crate) fn check_mode(options: &CreateOptions) -> Result<()> {
    match &options.network {
        NetworkMode::None if !options.publish.is_empty() && hull_sys::process::in_user_namespace() => {
            let what = "-p: an ordinary user's containers have no network of their own here".into();
            let why = carrier::usual().err().unwrap_or_else(|| "--network none".into());
            Err(Error::Carrier { what, why })
        }
        NetworkMode::Program(program) if !hull_sys::process::in_user_namespace() => {
            Err(Error::Unsupported(format!(
                "--network {}: that is for an ordinary user; root has networks: --network bridge",
                program.name()
            )))
        }
        NetworkMode::Networks if hull_sys::process::in_user_namespace() => check_rights(),
        NetworkMode::Program(program) if !is_installed(program.name()) => Err(Error::Carrier {
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
        false => Err(Error::Carrier {
            what: "no network can be made on the host".into(),
            why: "that takes CAP_NET_ADMIN".into(),
        }),
    }
}

/// Of who says nothing: the default network for root. An ordinary user can make none: what a program carries where there
/// is one, and else nothing but `lo`.
pub(crate) fn default_mode() -> NetworkMode {
    match hull_sys::process::in_user_namespace() {
        true => carrier::usual().map_or(NetworkMode::None, NetworkMode::Program),
        false => NetworkMode::Networks,
    }
}
