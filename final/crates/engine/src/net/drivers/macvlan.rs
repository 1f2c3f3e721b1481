//! Containers on a LAN of the host's, each with a MAC address of its own ([`links::create_macvlan`]).
//!
//! Of such a network nothing is on the host: no bridge, no rules, no cable. The container's link goes with its namespace.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use hull_network::links::{self, MacvlanMode, Namespace, Peer};
use hull_network::namespace;
use hull_network::netlink::{Protocol, Socket};
use serde::{Deserialize, Serialize};

use super::parent;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::net::create::NetworkOptions;
use crate::net::endpoint::Endpoint;
use crate::net::record::NetworkRecord;
use crate::records::options::NetworkMode;
use crate::records::record::Record;
use crate::records::snapshot::Snapshot;

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Macvlan {
    pub parent: String,
    pub mode: Mode,
}

/// How the network's containers see each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    Bridge,
    Private,
    Vepa,
}

impl Macvlan {
    pub(in crate::net) fn asked(options: &NetworkOptions) -> Result<Self> {
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
        Ok(Self { parent: parent::asked(options, "macvlan")?, mode })
    }

    /// Before the network is made.
    pub(in crate::net) fn check_on_host(&self, network: &NetworkRecord, route: &mut Socket) -> Result<()> {
        let parent = self.ready(route)?;
        self.mtu(network, parent, route).map(drop)
    }

    /// The index of the parent, on which another link can be made.
    pub(in crate::net) fn ready(&self, route: &mut Socket) -> Result<u32> {
        let parent = parent::find(&self.parent, route)?;
        match parent.master {
            // Its frames go to the bridge: the kernel lets a link have one such receiver (EBUSY).
            Some(_) => Err(Error::Parent {
                link: self.parent.clone(),
                why: "it is a port of a bridge".into(),
                hint: "take the bridge itself for the parent".into(),
            }),
            None => Ok(parent.index),
        }
    }

    /// Makes the container's link, inside.
    pub(in crate::net) fn attach(
        &self,
        endpoint: &Endpoint,
        parent: u32,
        inside: &OwnedFd,
        route: &mut Socket,
    ) -> Result<()> {
        let mtu = self.mtu(&endpoint.network, parent, route)?;
        let peer = Peer {
            name: &endpoint.interface,
            mac: Some(endpoint.mac),
            namespace: Namespace::Fd(inside.as_fd()),
        };
        let mode = match self.mode {
            Mode::Bridge => MacvlanMode::Bridge,
            Mode::Private => MacvlanMode::Private,
            Mode::Vepa => MacvlanMode::Vepa,
        };
        Ok(links::create_macvlan(route, parent, mode, mtu, &peer)?)
    }

    /// At most the parent's.
    fn mtu(&self, network: &NetworkRecord, parent: u32, route: &mut Socket) -> Result<u32> {
        let limit = links::find_by_index(route, parent)?.map_or(u32::MAX, |parent| parent.mtu);
        match network.mtu {
            Some(mtu) if mtu > limit => Err(Error::Invalid {
                what: format!("MTU {mtu} of network {}", network.name),
                why: format!("its parent {} has {limit}", self.parent),
            }),
            mtu => Ok(mtu.unwrap_or(limit)),
        }
    }
}

/// Brings the container's link up. A parent has each MAC address once, and that of a container that has just ended, and
/// is started again, is still its dying namespace's, which the kernel clears in the background.
pub(in crate::net) fn set_up(endpoint: &Endpoint, link: u32, inner: &mut Socket) -> Result<()> {
    let deadline = Instant::now() + DYING;
    loop {
        match links::set_up(inner, link) {
            Err(error) if error.errno() == Some(EADDRINUSE) && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) if error.errno() == Some(EADDRINUSE) => {
                return Err(Error::Invalid {
                    what: format!("MAC address {} on network {}", endpoint.mac, endpoint.network.name),
                    why: "another link of the same parent has it".into(),
                });
            }
            done => return Ok(done?),
        }
    }
}

/// A namespace takes a few hundred milliseconds at most to be cleared, unless many die at once.
const DYING: Duration = Duration::from_secs(10);
const EADDRINUSE: i32 = nix::libc::EADDRINUSE;

pub(in crate::net) const MODE: &str = "macvlan_mode";

/// Deletes a container's link where its namespace outlives it, or is to go on without it. The host has no handle on it,
/// so it takes somebody who is inside.
pub(in crate::net) fn detach(engine: &Engine, id: &str, endpoint: &Endpoint) -> Result<()> {
    for pid in inhabitants(engine, id)? {
        // Who has died meanwhile holds no namespace.
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

/// A process of the container, and of each one that shares its network namespace.
fn inhabitants(engine: &Engine, id: &str) -> Result<Vec<i32>> {
    let mut pids = Vec::new();
    for other in engine.ids()? {
        // One that is being removed is in nobody's.
        let Ok(record) = Record::load(engine.root(), &other) else { continue };
        let shares = matches!(&record.options.network, NetworkMode::Container(whose) if whose == id);
        if other == id || shares {
            pids.extend(Snapshot::take(engine.root(), &other)?.init_pid());
        }
    }
    Ok(pids)
}
