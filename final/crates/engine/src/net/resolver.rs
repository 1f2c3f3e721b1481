//! The names a container can ask for: on networks of its user's, its siblings' and, through the host's servers, everybody's.
//! On the default network there are none, as in docker.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::SystemTime;

use hull_network::dns::{Directory, PORT, Resolver};
use hull_network::leases::Leases;
use hull_network::links;
use hull_network::namespace;
use hull_network::netlink::{Protocol, Socket};
use hull_network::nftables::redirect_dns;

use super::endpoint::{self, Endpoint};
use super::legacy_links::links_are_in_hosts;
use crate::engine::Engine;
use crate::error::Result;
use crate::records::record::Record;

/// A container's resolver, while it runs.
pub(super) struct ContainerResolver {
    pub resolver: Resolver,
    engine: Engine,
    id: String,
    /// `--dns`
    dns: Vec<String>,
    /// `--link`: another container's name, and what it is called here.
    links: Vec<(String, String)>,
    /// When the container was last put on a network, or taken off one.
    changed: Option<SystemTime>,
}

/// Whether a container on these networks has a resolver of its own.
pub(crate) fn has_resolver(endpoints: &[Endpoint]) -> bool {
    endpoints.iter().any(|endpoint| !endpoint.network.is_default())
}

impl ContainerResolver {
    /// Inside the container. The socket goes back to be closed later, which takes the kernel its time.
    pub(super) fn open(
        engine: &Engine,
        record: &Record,
        endpoints: &[Endpoint],
        inside: &OwnedFd,
    ) -> Result<(Self, Socket)> {
        let links = match links_are_in_hosts(&record.options) {
            true => vec![],
            false => record.options.links.clone(),
        };
        let directory = directory(engine, endpoints, &links)?;
        let servers = servers(&record.options.dns, endpoints);
        // Its first process brings `lo` up as well, but perhaps not yet.
        let mut route = Socket::inside(inside.as_fd(), Protocol::Route)?;
        let lo = links::get(&mut route, "lo")?.index;
        links::set_up(&mut route, lo)?;
        let resolver = namespace::within(inside.as_fd(), || Resolver::open(directory, servers))?;
        let mut filter = Socket::inside(inside.as_fd(), Protocol::Netfilter)?;
        let (udp, tcp) = resolver.ports()?;
        redirect_dns(&mut filter, udp, tcp)?;
        let changed = endpoint::changed(engine, &record.id);
        let names = Self {
            resolver,
            engine: engine.clone(),
            id: record.id.clone(),
            dns: record.options.dns.clone(),
            links,
            changed,
        };
        Ok((names, filter))
    }

    pub(super) fn serve(&mut self) {
        self.refresh();
        self.resolver.serve();
    }

    /// Knows the container's networks as they are now.
    pub(super) fn refresh(&mut self) {
        let changed = endpoint::changed(&self.engine, &self.id);
        if changed != self.changed
            && let Ok(endpoints) = endpoint::endpoints(&self.engine, &self.id)
            && let Ok(directory) = directory(&self.engine, &endpoints, &self.links)
        {
            self.resolver.set_networks(directory, servers(&self.dns, &endpoints));
            self.changed = changed;
        }
    }
}

fn directory(engine: &Engine, endpoints: &[Endpoint], links: &[(String, String)]) -> Result<Directory> {
    let mut directory = Directory::default();
    links.iter().for_each(|(name, alias)| directory.link(alias, name));
    for network in endpoints.iter().map(|endpoint| &endpoint.network).filter(|network| !network.is_default())
    {
        let leases = Leases::open(engine.root().run(), &network.name)?;
        directory.add(&network.name, &network.pools, leases);
    }
    Ok(directory)
}

/// Who is asked for other names, from the host: its loopback is ours. Who has no way out asks nobody.
fn servers(dns: &[String], endpoints: &[Endpoint]) -> Vec<SocketAddr> {
    if endpoints.iter().all(|endpoint| endpoint.network.internal) {
        return Vec::new();
    }
    let servers: Vec<IpAddr> = match dns.is_empty() {
        true => host_servers(),
        false => dns.iter().filter_map(|server| server.parse().ok()).collect(),
    };
    servers.into_iter().map(|server| SocketAddr::new(server, PORT)).collect()
}

/// The servers that the host asks, its own loopback's among them.
fn host_servers() -> Vec<IpAddr> {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let server = |line: &str| line.strip_prefix("nameserver")?.trim().parse().ok();
    text.lines().filter_map(server).collect()
}

/// A container that is renamed is found by its new name.
pub(crate) fn rename(engine: &Engine, record: &Record) -> Result<()> {
    for endpoint in endpoint::endpoints(engine, &record.id)? {
        let leases = Leases::open(engine.root().run(), &endpoint.network.name)?;
        let mut names = vec![record.name.clone()];
        names.extend(endpoint.aliases.iter().cloned());
        for address in &endpoint.addresses {
            leases.rename(*address, &record.id, &names)?;
        }
    }
    Ok(())
}
