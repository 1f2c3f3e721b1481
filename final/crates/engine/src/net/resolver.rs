//! A container's own DNS resolver: on networks that a user has created it answers for the other containers there, and asks
//! the host's servers for all other names. The default network has none, as in docker.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::SystemTime;

use hull_network::dns::{Directory, PORT, Resolver};
use hull_network::leases::Leases;
use hull_network::links;
use hull_network::namespace;
use hull_network::netlink::{Protocol, Socket};
use hull_network::nftables::redirect_dns;
use hull_storage::root::Root;

use super::endpoint::{self, Endpoint};
use super::legacy_links::links_are_in_hosts;
use crate::error::Result;
use crate::records::record::Record;

/// The resolver of a running container.
pub(super) struct ContainerResolver {
    pub dns: Resolver,
    root: Root,
    id: String,
    /// `--dns`.
    servers: Vec<String>,
    /// `--link`: the other container's name, and the alias that this container uses for it.
    links: Vec<(String, String)>,
    /// When the container's `network.json` was written that the resolver knows.
    modified: Option<SystemTime>,
}

/// Whether a container with these endpoints has a resolver of its own.
pub(crate) fn has_resolver(endpoints: &[Endpoint]) -> bool {
    endpoints.iter().any(|endpoint| !endpoint.network.is_default())
}

impl ContainerResolver {
    /// Opens the resolver's sockets inside the container, and redirects port 53 to them. Also returns a netlink socket for
    /// the caller to close later, because closing it makes the kernel wait.
    pub(super) fn open(
        root: &Root,
        record: &Record,
        endpoints: &[Endpoint],
        inside: &OwnedFd,
    ) -> Result<(Self, Socket)> {
        let links = match links_are_in_hosts(&record.options) {
            true => vec![],
            false => record.options.links.clone(),
        };
        let directory = directory(root, endpoints, &links)?;
        let servers = upstream_servers(&record.options.dns, endpoints);
        // The container's first process brings `lo` up too, but possibly later.
        let mut route = Socket::inside(inside.as_fd(), Protocol::Route)?;
        let lo = links::get(&mut route, "lo")?.index;
        links::set_up(&mut route, lo)?;
        let dns = namespace::within(inside.as_fd(), || Resolver::open(directory, servers))?;
        let mut filter = Socket::inside(inside.as_fd(), Protocol::Netfilter)?;
        let (udp, tcp) = dns.ports()?;
        redirect_dns(&mut filter, udp, tcp)?;
        let modified = endpoint::modified(root, &record.id);
        let resolver = Self {
            dns,
            root: root.clone(),
            id: record.id.clone(),
            servers: record.options.dns.clone(),
            links,
            modified,
        };
        Ok((resolver, filter))
    }

    pub(super) fn serve(&mut self) {
        self.reload();
        self.dns.serve();
    }

    /// Reads the container's endpoints again, if they have been written since.
    pub(super) fn reload(&mut self) {
        let modified = endpoint::modified(&self.root, &self.id);
        if modified != self.modified
            && let Ok(endpoints) = endpoint::endpoints(&self.root, &self.id)
            && let Ok(directory) = directory(&self.root, &endpoints, &self.links)
        {
            self.dns.set_networks(directory, upstream_servers(&self.servers, &endpoints));
            self.modified = modified;
        }
    }
}

/// The names that the resolver answers itself.
fn directory(root: &Root, endpoints: &[Endpoint], links: &[(String, String)]) -> Result<Directory> {
    let mut directory = Directory::default();
    links.iter().for_each(|(name, alias)| directory.link(alias, name));
    for network in endpoints.iter().map(|endpoint| &endpoint.network).filter(|network| !network.is_default())
    {
        let leases = Leases::open(root.run(), &network.name)?;
        directory.add(&network.name, &network.pools, leases);
    }
    Ok(directory)
}

/// The servers for all other names. The monitor asks them from the host, so those on the host's loopback can be used. A
/// container that is only on internal networks asks none.
fn upstream_servers(dns: &[String], endpoints: &[Endpoint]) -> Vec<SocketAddr> {
    if endpoints.iter().all(|endpoint| endpoint.network.internal) {
        return Vec::new();
    }
    let servers: Vec<IpAddr> = match dns.is_empty() {
        true => host_servers(),
        false => dns.iter().filter_map(|server| server.parse().ok()).collect(),
    };
    servers.into_iter().map(|server| SocketAddr::new(server, PORT)).collect()
}

/// The name servers in the host's resolv.conf(5).
fn host_servers() -> Vec<IpAddr> {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let server = |line: &str| line.strip_prefix("nameserver")?.trim().parse().ok();
    text.lines().filter_map(server).collect()
}

/// Publishes a renamed container's new name, and its aliases, on its networks.
pub(crate) fn rename(root: &Root, record: &Record) -> Result<()> {
    for endpoint in endpoint::endpoints(root, &record.id)? {
        let leases = Leases::open(root.run(), &endpoint.network.name)?;
        let mut names = vec![record.name.clone()];
        names.extend(endpoint.aliases.iter().cloned());
        for address in &endpoint.addresses {
            leases.rename(*address, &record.id, &names)?;
        }
    }
    Ok(())
}
