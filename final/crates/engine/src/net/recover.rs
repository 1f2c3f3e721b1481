//! What a killed monitor left of its container's networks.

use std::fs::File;

use hull_network::leases::Leases;

use super::attachment::release_addresses;
use super::drivers::bridge::{self, Sockets};
use super::interfaces::{remove_interfaces, remove_link};
use super::{Endpoint, endpoint, expose, stale};
use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};

/// Clears it, after the container's processes are dead and under its lock.
pub(crate) fn clear(engine: &Engine, id: &str) -> Result<()> {
    let hidden = expose::forget(engine, id);
    let endpoints = match endpoint::endpoints(engine, id) {
        Err(error) if error.is_damage() => return clear_unknown(engine, id).and(hidden),
        endpoints => endpoints?,
    };
    if endpoints.is_empty() {
        return hidden;
    }
    // Its ports are free since it ended, and may be another container's by now: only what leads to this one is taken.
    let rules: Vec<_> = endpoints.iter().filter_map(Endpoint::rules).collect();
    let mut sockets = Sockets::open()?;
    let removed = remove_interfaces(engine, id, &endpoints, &mut sockets.route);
    let detached = bridge::table(engine).detach(&mut sockets.filter, &rules).map_err(Error::from);
    let given = release_addresses(engine, id, &endpoints);
    // What could not be cleared is there for the next one who looks.
    removed.and(detached).and(given).and(hidden).and_then(|()| endpoint::forget(engine, id))?;
    stale::sweep_if_due(engine, &endpoints, &mut sockets.filter)
}

/// The same if the container's own file is damaged: its addresses are found in the leases, and its links by the
/// addresses in the rules.
fn clear_unknown(engine: &Engine, id: &str) -> Result<()> {
    let networks = engine.root().run().join("networks");
    let mut addresses = Vec::new();
    for entry in std::fs::read_dir(&networks).into_iter().flatten().flatten() {
        if let Some(network) = entry.file_name().to_str() {
            addresses.extend(Leases::open(engine.root().run(), network)?.release_all(id)?);
        }
    }
    if !addresses.is_empty() {
        let mut sockets = Sockets::open()?;
        let listed = bridge::table(engine).list(&mut sockets.filter)?.addresses();
        for (_, link) in listed.iter().filter(|(address, _)| addresses.contains(address)) {
            remove_link(&mut sockets.route, link)?;
        }
        super::reload::sweep(engine, &mut sockets)?;
    }
    endpoint::forget(engine, id)
}

/// Removes the rules of a container that lost its run root and then its monitor. Its link is gone, or goes soon.
pub(crate) fn clear_lost(engine: &Engine) -> Result<()> {
    super::reload::sweep(engine, &mut Sockets::open()?).map(drop)
}

/// Another container shares this one's network namespace, and may keep it past this one's end.
pub(crate) fn mark_shared(engine: &Engine, id: &str) -> Result<()> {
    let path = engine.root().container_run_dir(id).join(SHARED);
    File::create(&path).map(drop).context(|| format!("create {}", path.display()))
}

pub(super) fn is_shared(engine: &Engine, id: &str) -> bool {
    engine.root().container_run_dir(id).join(SHARED).exists()
}

const SHARED: &str = "network.shared";
