//! The driver `macvlan`: each container has a MAC address of its own on one of the host's links, and so is a host of that
//! link's LAN ([`links::create_macvlan`]).
//!
//! Such a network has nothing on the host: no bridge, no rules, no veth pair. A container's link is made inside its network
//! namespace and is destroyed with it.

use std::os::fd::AsFd;

use hull_network::links::{self, MacvlanMode, Namespace, Peer};
use hull_network::namespace;
use hull_network::netlink::{Protocol, Socket};
use hull_storage::root::Root;
use serde::{Deserialize, Serialize};

use super::{ContainerNamespace, Driver, assign_addresses, parent};
use crate::error::{Error, ParentProblem, Result};
use crate::net::context::Sockets;
use crate::net::endpoint::Endpoint;
use crate::net::options::NetworkOptions;
use crate::net::record::NetworkRecord;
use crate::records::find::directories;
use crate::records::options::NetworkMode;
use crate::records::record::Record;
use crate::records::snapshot::Snapshot;

/// The settings of a macvlan network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Macvlan {
    parent: String,
    mode: Mode,
}

/// How the network's containers reach each other; see [`MacvlanMode`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Bridge,
    Private,
    Vepa,
}

/// docker's key of `-o` for the mode.
const MODE: &str = "macvlan_mode";

const EADDRINUSE: i32 = nix::libc::EADDRINUSE;

impl Macvlan {
    pub(super) fn from_options(options: &NetworkOptions) -> Result<Self> {
        let mode = match options.options.get(MODE).map(String::as_str) {
            None | Some("bridge") => Mode::Bridge,
            Some("private") => Mode::Private,
            Some("vepa") => Mode::Vepa,
            Some(other) => {
                return Err(Error::Invalid {
                    what: format!("option {MODE}={other}"),
                    why: "it is bridge, private or vepa".into(),
                });
            }
        };
        Ok(Self { parent: parent::from_options(options, "macvlan")?, mode })
    }

    /// The index of the parent, if macvlans can be made on it.
    fn find_parent(&self, route: &mut Socket) -> Result<u32> {
        let parent = parent::find(&self.parent, route)?;
        match parent.master {
            // A link has one receive handler at most, and a bridge's port has the bridge's (EBUSY; the kernel's
            // netdev_rx_handler_register).
            Some(_) => Err(Error::Parent { link: self.parent.clone(), problem: ParentProblem::PortOfBridge }),
            None => Ok(parent.index),
        }
    }

    /// The MTU of the network, or the one that a link on it asks for, which is the parent's at most.
    fn mtu(
        &self,
        network: &NetworkRecord,
        asked: Option<u32>,
        parent: u32,
        route: &mut Socket,
    ) -> Result<u32> {
        let limit = links::find_by_index(route, parent)?.map_or(u32::MAX, |parent| parent.mtu);
        match asked.or(network.mtu) {
            Some(mtu) if mtu > limit => Err(Error::Invalid {
                what: format!("MTU {mtu} of network {}", network.name),
                why: format!("its parent {} has {limit}", self.parent),
            }),
            mtu => Ok(mtu.unwrap_or(limit)),
        }
    }
}

impl Driver for Macvlan {
    fn name(&self) -> &'static str {
        "macvlan"
    }

    fn options(&self) -> Vec<&'static str> {
        vec!["mtu", parent::OPTION, MODE]
    }

    fn is_on_lan(&self) -> bool {
        true
    }

    fn has_bridge(&self) -> bool {
        false
    }

    fn parent(&self) -> Option<&str> {
        Some(&self.parent)
    }

    fn validate(&self, network: &NetworkRecord, _: &[NetworkRecord], route: &mut Socket) -> Result<()> {
        let parent = self.find_parent(route)?;
        self.mtu(network, None, parent, route).map(drop)
    }

    fn find(&self, _: &NetworkRecord, route: &mut Socket) -> Result<Option<u32>> {
        self.find_parent(route).map(Some)
    }

    /// Nothing has to be made: the parent is the administrator's.
    fn setup(&self, _: &Root, _: &NetworkRecord, sockets: &mut Sockets) -> Result<u32> {
        self.find_parent(&mut sockets.route)
    }

    fn teardown(&self, _: &Root, _: &NetworkRecord, _: &mut Sockets) -> Result<()> {
        Ok(())
    }

    fn attach(
        &self,
        endpoint: &Endpoint,
        link: u32,
        container: &mut ContainerNamespace<'_>,
        host: &mut Socket,
    ) -> Result<()> {
        let mtu = self.mtu(&endpoint.network, endpoint.mtu, link, host)?;
        let peer = Peer {
            name: &endpoint.interface,
            mac: Some(endpoint.mac),
            namespace: Namespace::Fd(container.fd.as_fd()),
        };
        let mode = match self.mode {
            Mode::Bridge => MacvlanMode::Bridge,
            Mode::Private => MacvlanMode::Private,
            Mode::Vepa => MacvlanMode::Vepa,
        };
        links::create_macvlan(host, link, mode, mtu, &peer)?;
        let interface = assign_addresses(endpoint, &mut container.route)?;
        set_up(endpoint, interface, &mut container.route)?;
        Ok(links::await_operational(&mut container.route, &endpoint.interface)?)
    }

    /// The host has no handle on the link, so this enters the namespaces of the processes that may have it.
    fn detach(&self, root: &Root, id: &str, endpoint: &Endpoint, _: &mut Socket) -> Result<()> {
        for pid in processes_in_namespace(root, id)? {
            // A process that has died in the meantime keeps no namespace.
            let Ok(inside) = namespace::of_process(pid) else { continue };
            let mut inner = Socket::inside(inside.as_fd(), Protocol::Route)?;
            let ours = links::find(&mut inner, &endpoint.interface)?
                .filter(|link| link.kind.as_deref() == Some("macvlan") && link.mac == Some(endpoint.mac));
            if let Some(link) = ours {
                links::delete(&mut inner, link.index)?;
            }
        }
        Ok(())
    }
}

fn set_up(endpoint: &Endpoint, link: u32, inner: &mut Socket) -> Result<()> {
    match links::set_up_macvlan(inner, link) {
        Err(error) if error.errno() == Some(EADDRINUSE) => Err(Error::Invalid {
            what: format!("MAC address {} on network {}", endpoint.mac, endpoint.network.name),
            why: "another link of the same parent has it".into(),
        }),
        done => Ok(done?),
    }
}

/// A process of the container, and one of each container that shares its network namespace.
fn processes_in_namespace(root: &Root, id: &str) -> Result<Vec<i32>> {
    let mut pids = Vec::new();
    for other in directories(&root.containers_dir())? {
        // A container that is being removed has no process.
        let Ok(record) = Record::load(root, &other) else { continue };
        let shares = matches!(&record.options.network, NetworkMode::Container(owner) if owner == id);
        if other == id || shares {
            pids.extend(Snapshot::take(root, &other)?.init_pid());
        }
    }
    Ok(pids)
}
