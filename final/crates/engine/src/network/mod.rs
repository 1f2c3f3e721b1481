//! Containers on networks.
//!
//! ```text
//! record      a network: what was asked, and which addresses it has
//! driver      what its containers are plugged into
//! bridge      its link on the host, made when the first container needs it, and kept
//! macvlan     containers on the host's LAN, with nothing of theirs on the host
//! parent      a link of the host's that a network shares
//! vxlan       one network on several hosts
//! endpoint    a container's place on a network: address, cable, published ports (network.json in its run directory)
//! attachment  the monitor's part: takes places, plugs in, unplugs, gives back
//! link        --link, of the time before names
//! expose      a name for ip netns
//! trace       one container's links, addresses and rules, from the inside out
//! names       the resolver at 127.0.0.11, on networks other than the default one
//! show        what ps, port and inspect say of it
//! create, verbs, connect   hull network
//! reload      rules that another tool has flushed
//! recover     what a killed monitor left of it
//! ```
//!
//! `network.json` is written before anything it names is made. A lease names the monitor's process and ends with it, a
//! cable goes with the container's namespace, a port with the monitor's socket; only the rules' elements are left by a
//! kill, and whoever clears the container finds them by that file.

mod attachment;
mod bridge;
mod connect;
mod create;
mod driver;
mod endpoint;
mod expose;
mod link;
mod macvlan;
mod names;
mod parent;
mod record;
mod recover;
mod reload;
mod show;
mod trace;
mod verbs;
mod vxlan;

pub(crate) use attachment::Attachment;
pub(crate) use attachment::gateway;
pub use create::NetworkOptions;
pub(crate) use driver::instead_of;
pub(crate) use endpoint::{Endpoint, endpoints};
pub(crate) use link::linked;
pub(crate) use names::{has_resolver, rename};
pub use record::{DEFAULT, NetworkRecord};
pub(crate) use recover::{clear, note_shared};
pub use show::PublishedPort;
pub(crate) use show::{
    exposed_ports, network_mode, network_names, network_settings, port_bindings, ports_column,
};

use crate::error::{Error, Result};
use crate::options::{CreateOptions, NetworkMode};

/// Refuses what an ordinary user's default, no network, cannot give.
pub(crate) fn check_default(options: &CreateOptions) -> Result<()> {
    if options.network == NetworkMode::None && !options.publish.is_empty() {
        return Err(Error::Unsupported(
            "-p: an ordinary user's containers have no network of their own; use --network host, or sudo"
                .into(),
        ));
    }
    Ok(())
}

/// Of who says nothing: the default network for root, and for an ordinary user, who can make none, nothing but `lo`.
pub(crate) fn default_mode() -> NetworkMode {
    match hull_sys::process::in_user_namespace() {
        true => NetworkMode::None,
        false => NetworkMode::Networks,
    }
}
