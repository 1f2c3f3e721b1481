//! `network reload`: the rules of all running containers, put back where another tool has removed them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use hull_network::netlink::Socket;
use hull_network::nftables::accept_forwarded;
use hull_network::{
    iptables_legacy,
    links::{self, Link},
};

use super::drivers::bridge::{self, Sockets};
use super::endpoint::{Endpoint, endpoints};
use crate::engine::Engine;
use crate::error::Result;
use crate::records::find::directories;
use crate::records::snapshot::Snapshot;

impl Engine {
    /// The bridge of a container's whose packets another program's rules will drop, where hull's can do nothing about it:
    /// a table of the old iptables.
    pub fn dropped_bridge(&self, container: &str) -> Result<Option<String>> {
        let record = self.find(container)?;
        for option in &record.options.networks {
            if let Some(network) = self.load_network(&option.network)?
                && !network.driver.is_on_lan()
                && !network.internal
                && iptables_legacy::drops_forwarded(&network.link)
            {
                return Ok(Some(network.link));
            }
        }
        Ok(None)
    }

    /// Puts back whatever is missing of bridges and rules.
    pub fn reload_networks(&self) -> Result<()> {
        let mut sockets = Sockets::open()?;
        bridge::table(self).ensure(&mut sockets.filter)?;
        sweep(self, &mut sockets)?;
        all(self, &mut sockets.filter)
    }
}

/// Takes out of the rules what is said of containers that nobody knows any more: their monitor was killed, and the run
/// directory emptied. Who is plugged in stays: addresses, each with its link and what that is plugged into.
pub(super) fn sweep(engine: &Engine, sockets: &mut Sockets) -> Result<Vec<(IpAddr, Link)>> {
    let table = bridge::table(engine);
    let listed = table.list(&mut sockets.filter)?;
    // Looked at afterwards: who is listed was written down before. A link that is there has somebody at its other end.
    let links = links::list(&mut sockets.route)?;
    let mut known: BTreeSet<String> = links.iter().map(|link| link.name.clone()).collect();
    for id in directories(&engine.root().run().join("containers"))? {
        // What a damaged file says is not known; its links are, for as long as they are there.
        let endpoints = endpoints(engine, &id).unwrap_or_default();
        known.extend(endpoints.into_iter().map(|endpoint| endpoint.link));
    }
    let link = |name: &String| links.iter().find(|link| link.name == *name).cloned();
    let addresses = listed.addresses();
    table.sweep(&mut sockets.filter, listed, |link| known.contains(link))?;
    Ok(addresses.into_iter().filter_map(|(ip, name)| Some((ip, link(&name)?))).collect())
}

/// Under no lock: who is starting or ending just now puts its own, and a port is led to who holds it.
pub(super) fn all(engine: &Engine, filter: &mut Socket) -> Result<()> {
    let mut first = Ok(());
    for id in directories(&engine.root().run().join("containers"))? {
        let reloaded = match Snapshot::take(engine.root(), &id) {
            Ok(snapshot) if snapshot.init_pid().is_some() => reload(engine, &id, filter),
            taken => taken.map(drop),
        };
        first = first.and(reloaded);
    }
    first
}

fn reload(engine: &Engine, id: &str, filter: &mut Socket) -> Result<()> {
    let endpoints = endpoints(engine, id)?;
    let rules: Vec<_> = endpoints.iter().filter_map(Endpoint::rules).collect();
    bridge::table(engine).attach(filter, &rules)?;
    for_neighbours(&endpoints, filter)
}

/// What other tables need to know of the networks.
pub(super) fn for_neighbours(endpoints: &[Endpoint], filter: &mut Socket) -> Result<()> {
    let each = |endpoint: &Endpoint| {
        Ok(accept_forwarded(filter, &endpoint.network.link, endpoint.network.has_ipv6())?)
    };
    endpoints.iter().filter(|endpoint| endpoint.network.driver.has_bridge()).try_for_each(each)
}
