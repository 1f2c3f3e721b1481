//! `network reload`: the rules of all running containers, put back where another tool has removed them.

use hull_network::netlink::Socket;
use hull_network::nftables::accept_forwarded;

use super::bridge::{self, Sockets};
use super::endpoint::{Endpoint, endpoints};
use crate::engine::{Engine, directories};
use crate::error::Result;
use crate::state::Snapshot;

impl Engine {
    /// Puts back whatever is missing of bridges and rules.
    pub fn reload_networks(&self) -> Result<()> {
        let mut sockets = Sockets::open()?;
        bridge::table(self).ensure(&mut sockets.filter)?;
        all(self, &mut sockets.filter)
    }
}

/// Under no lock: who is starting or ending just now puts its own, and a port is led to who holds it.
pub(super) fn all(engine: &Engine, filter: &mut Socket) -> Result<()> {
    let mut first = Ok(());
    for id in directories(&engine.root().run().join("containers"))? {
        if Snapshot::take(engine.root(), &id)?.init_pid().is_some() {
            first = first.and(reload(engine, &id, filter));
        }
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
