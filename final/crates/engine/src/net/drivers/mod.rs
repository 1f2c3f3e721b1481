//! Drivers: how a network connects its containers.
//!
//! ```text
//! bridge                  a bridge on the host: hull0, hl-…                              bridge
//! bridge with a parent    the same, and one of the host's links is a port of it          lan
//! macvlan                 no bridge: each container has a MAC address on a host's link   macvlan
//! vxlan                   a bridge on each of several hosts, connected by tunnels        vxlan
//! pasta, slirp4netns      no network on the host: a program in user space                user_mode
//! ```
//!
//! The verbs and the monitor know networks by the trait [`Driver`] alone. The drivers that have a bridge share its
//! implementation ([`host_bridge`]) and their containers' veth pairs ([`veth`]).
//!
//! [`user_mode`] does not implement the trait, because an unprivileged user can have no network that two containers
//! share: there is nothing to record, and each container has a process of its own.

mod bridge;
mod host_bridge;
mod lan;
mod macvlan;
mod parent;
pub(crate) mod user_mode;
mod veth;
mod vxlan;

use std::os::fd::OwnedFd;

use hull_network::netlink::Socket;
use hull_network::nftables::Tunnel;
use hull_network::subnet::Subnet;
use hull_network::{addresses, links};
use hull_storage::root::Root;
use serde::{Deserialize, Serialize};

use self::bridge::Bridge;
use self::lan::Lan;
use self::macvlan::Macvlan;
pub(super) use self::veth::{DEFAULT_MTU, allow_published_ports, delete_if_present};
use self::vxlan::Vxlan;
use super::context::Sockets;
use super::endpoint::Endpoint;
use super::options::NetworkOptions;
use super::record::NetworkRecord;
use crate::error::{Error, Result};

/// A network's driver. The methods from `validate` to `teardown` are about the network, `attach` and `detach` about one
/// container on it.
pub(super) trait Driver {
    /// docker's name for it.
    fn name(&self) -> &'static str;

    /// The keys that `-o` accepts, without docker's prefixes `com.docker.network.` and `driver.`.
    fn options(&self) -> Vec<&'static str>;

    /// Whether containers are hosts of a LAN, beside this host and not behind it. Then the addresses are the LAN's, the
    /// gateway is its router, and this host translates and publishes nothing.
    fn is_on_lan(&self) -> bool {
        false
    }

    /// Whether others assign addresses in the same subnet. Then hull cannot choose it, and the user has to name it.
    fn shares_subnet(&self) -> bool {
        true
    }

    /// Whether the network has a bridge on this host, with a veth pair for each container.
    fn has_bridge(&self) -> bool {
        true
    }

    /// The host's link that the network shares, if it does.
    fn parent(&self) -> Option<&str> {
        None
    }

    /// The VXLAN that connects the network with the same network on other hosts, if there is one.
    fn tunnel(&self) -> Option<Tunnel<'_>> {
        None
    }

    /// Checks the subnets that the user has named, before anything is chosen.
    fn validate_subnets(&self, _: &NetworkOptions, _: &[Subnet]) -> Result<()> {
        Ok(())
    }

    /// Checks that the host has what the network needs, before the network is recorded.
    fn validate(&self, network: &NetworkRecord, others: &[NetworkRecord], route: &mut Socket) -> Result<()>;

    /// The index of the link that containers are attached to; `None` while the network's part on the host is missing or
    /// incomplete.
    fn find(&self, network: &NetworkRecord, route: &mut Socket) -> Result<Option<u32>>;

    /// Makes the network's part on the host, under the network's exclusive lock. What a killed command has left incomplete
    /// is completed. Returns the index of the link that containers are attached to.
    fn setup(&self, root: &Root, network: &NetworkRecord, sockets: &mut Sockets) -> Result<u32>;

    /// Removes the network's part from the host. What is missing already is no error.
    fn teardown(&self, root: &Root, network: &NetworkRecord, sockets: &mut Sockets) -> Result<()>;

    /// Makes the container's interface, with its addresses, and returns when it carries packets. `link` is what
    /// [`Self::find`] or [`Self::setup`] returned.
    fn attach(
        &self,
        endpoint: &Endpoint,
        link: u32,
        container: &mut ContainerNamespace<'_>,
        host: &mut Socket,
    ) -> Result<()>;

    /// Deletes the interface of a container whose network namespace stays. `id` is the container's.
    fn detach(&self, root: &Root, id: &str, endpoint: &Endpoint, host: &mut Socket) -> Result<()>;
}

/// A container's network namespace, and an rtnetlink socket in it.
pub(super) struct ContainerNamespace<'a> {
    pub fd: &'a OwnedFd,
    pub route: Socket,
}

/// A driver with its own settings, as recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DriverConfig {
    #[default]
    Bridge,
    Lan(Lan),
    Macvlan(Macvlan),
    Vxlan(Vxlan),
}

impl DriverConfig {
    /// The driver that the user has named, with the settings from its options.
    pub(super) fn from_options(options: &NetworkOptions) -> Result<Self> {
        match options.driver.as_deref() {
            None | Some("bridge") if options.options.contains_key(parent::OPTION) => {
                Ok(Self::Lan(Lan::from_options(options)?))
            }
            None | Some("bridge") => Ok(Self::Bridge),
            Some("macvlan") => Ok(Self::Macvlan(Macvlan::from_options(options)?)),
            Some("vxlan") => Ok(Self::Vxlan(Vxlan::from_options(options)?)),
            Some(other) => Err(Error::NoSuchDriver(other.to_owned())),
        }
    }

    pub(super) fn as_driver(&self) -> &dyn Driver {
        match self {
            Self::Bridge => &Bridge,
            Self::Lan(lan) => lan,
            Self::Macvlan(macvlan) => macvlan,
            Self::Vxlan(vxlan) => vxlan,
        }
    }
}

/// The name of a network's VXLAN link on this host. It contains the network's id, because the user may name the bridge.
pub(super) fn tunnel_link(network: &NetworkRecord) -> String {
    format!("hx-{}", network.id.get(..12).unwrap_or(&network.id))
}

/// Assigns the endpoint's addresses to the container's interface, which is still down. Returns the interface's index.
fn assign_addresses(endpoint: &Endpoint, container: &mut Socket) -> Result<u32> {
    let link = links::get(container, &endpoint.interface)?.index;
    for (ip, pool) in endpoint.with_pools() {
        addresses::add(container, addresses::Address { link, ip, prefix: pool.subnet().prefix() })?;
    }
    for ip in endpoint.link_local.iter().copied() {
        // The prefixes of 169.254.0.0/16 and fe80::/64.
        let prefix = if ip.is_ipv6() { 64 } else { 16 };
        addresses::add(container, addresses::Address { link, ip, prefix })?;
    }
    Ok(link)
}
