//! `network trace`: what is between a container and the outside at this moment, link by link, as the kernel has it.

use std::net::IpAddr;
use std::os::fd::AsFd;
use std::path::PathBuf;

use hull_network::links::{self, vxlan};
use hull_network::netlink::{Protocol, Socket};
use hull_network::nftables::{ElementStatus, Published};
use hull_network::{addresses, namespace, routes};
use serde::Serialize;

use super::context::{Sockets, table};
use super::drivers::tunnel_link;
use super::endpoint::{Endpoint, endpoints};
use super::expose;
use super::inspect::mode_name;
use crate::engine::Engine;
use crate::error::{IoContext, Result};
use crate::records::options::NetworkMode;
use crate::records::record::Record;
use crate::records::state::wrong_state;

/// Everything between a running container and the host's own links.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NetworkTrace {
    pub id: String,
    pub name: String,
    pub pid: i32,
    /// The target of the link in `/proc`: `net:[4026532500]`.
    pub namespace: PathBuf,
    /// The namespace's name for ip-netns(8).
    pub exposed_as: Option<String>,
    pub mode: String,
    /// `None` if the container has the host's network.
    #[serde(flatten)]
    pub own: Option<OwnNetworks>,
}

/// The networks of a container that does not have the host's network.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct OwnNetworks {
    pub routes: Vec<RouteTrace>,
    pub networks: Vec<EndpointTrace>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RouteTrace {
    pub destination: &'static str,
    pub via: Option<IpAddr>,
    pub link: Option<String>,
}

/// A container's endpoint, from its interface outwards. Which links there are depends on the network's driver.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct EndpointTrace {
    pub network: String,
    pub driver: String,
    /// The container's interface.
    pub inside: LinkTrace,
    pub published: Vec<Published>,
    /// The host's end of the veth pair.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub veth: Option<LinkTrace>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bridge: Option<LinkTrace>,
    /// The host's link that the network is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<LinkTrace>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<TunnelTrace>,
    #[serde(flatten)]
    pub rules: Option<RulesTrace>,
}

/// A link as the kernel describes it. If it is missing, only its name.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct LinkTrace {
    pub name: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub missing: bool,
    #[serde(flatten)]
    pub link: Option<FoundLink>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct FoundLink {
    pub index: u32,
    pub up: bool,
    pub mtu: u32,
    pub mac_address: Option<String>,
    /// With the length of the prefix.
    pub addresses: Vec<String>,
}

/// A VXLAN link and its peers.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TunnelTrace {
    #[serde(flatten)]
    pub link: LinkTrace,
    pub number: u32,
    pub port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peers: Option<Vec<IpAddr>>,
}

/// The container's elements in the sets of an nftables table.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RulesTrace {
    pub table: String,
    pub rules: Vec<ElementStatus>,
}

impl Engine {
    /// Asks the kernel about each link and rule that the container's record names.
    pub fn trace_network(&self, container: &str) -> Result<NetworkTrace> {
        let record = self.find(container)?;
        let snapshot = self.clear_if_dead(&record, self.snapshot_after_start(&record.id)?)?;
        let pid = snapshot.init_pid().ok_or_else(|| wrong_state("trace", &record, snapshot.status))?;
        let path = format!("/proc/{pid}/ns/net");
        let namespace = std::fs::read_link(&path).context(|| format!("read {path}"))?;
        let own = match record.options.network {
            NetworkMode::Host => None,
            _ => Some(self.trace_own_networks(&record, pid)?),
        };
        Ok(NetworkTrace {
            exposed_as: expose::name(self.root(), &record.id)?,
            mode: mode_name(&record.options.network),
            id: record.id,
            name: record.name,
            pid,
            namespace,
            own,
        })
    }

    fn trace_own_networks(&self, record: &Record, pid: i32) -> Result<OwnNetworks> {
        let inside = namespace::of_process(pid)?;
        let mut inner = Socket::inside(inside.as_fd(), Protocol::Route)?;
        let routes = gateways(&mut inner)?;
        let mut sockets = Sockets::open()?;
        let endpoints = endpoints(self.root(), owner(record))?;
        let traced = endpoints.iter().map(|endpoint| self.trace_endpoint(endpoint, &mut inner, &mut sockets));
        Ok(OwnNetworks { routes, networks: traced.collect::<Result<_>>()? })
    }

    fn trace_endpoint(
        &self,
        endpoint: &Endpoint,
        inner: &mut Socket,
        sockets: &mut Sockets,
    ) -> Result<EndpointTrace> {
        let network = &endpoint.network;
        let route = &mut sockets.route;
        let mut trace = EndpointTrace {
            network: network.name.clone(),
            driver: network.driver().name().into(),
            inside: trace_link(&endpoint.interface, inner)?,
            published: endpoint.published.clone(),
            veth: None,
            bridge: None,
            parent: None,
            tunnel: None,
            rules: None,
        };
        if network.driver().has_bridge() {
            trace.veth = Some(trace_link(&endpoint.link, route)?);
            trace.bridge = Some(trace_link(&network.link, route)?);
        }
        if let Some(parent) = network.driver().parent() {
            trace.parent = Some(trace_link(parent, route)?);
        }
        if let Some(tunnel) = network.driver().tunnel() {
            let link = trace_link(&tunnel_link(network), route)?;
            let index = link.link.as_ref().map(|link| link.index);
            let peers = index.map(|index| vxlan::peers(route, index)).transpose()?;
            trace.tunnel = Some(TunnelTrace { link, number: tunnel.id, port: tunnel.port, peers });
        }
        if let Some(rules) = endpoint.rules() {
            let table = table(self.root());
            let rules = table.status(&mut sockets.filter, &rules)?;
            trace.rules = Some(RulesTrace { table: table.name().to_owned(), rules });
        }
        Ok(trace)
    }
}

/// The id of the container that has the endpoints: the container itself, or the one whose network it shares.
fn owner(record: &Record) -> &str {
    match &record.options.network {
        NetworkMode::Container(other) => other,
        _ => &record.id,
    }
}

fn trace_link(name: &str, route: &mut Socket) -> Result<LinkTrace> {
    let name = name.to_owned();
    let Some(link) = links::find(route, &name)? else {
        return Ok(LinkTrace { name, missing: true, link: None });
    };
    let addresses = addresses::list(route, Some(link.index))?;
    let addresses = addresses.iter().map(|address| format!("{}/{}", address.ip, address.prefix)).collect();
    let mac_address = link.mac.map(|mac| mac.to_string());
    let link = FoundLink { index: link.index, up: link.up, mtu: link.mtu, mac_address, addresses };
    Ok(LinkTrace { name, missing: false, link: Some(link) })
}

/// The default routes: where packets go that are for none of the container's networks.
fn gateways(inner: &mut Socket) -> Result<Vec<RouteTrace>> {
    let mut found = Vec::new();
    for route in routes::list(inner)?.into_iter().filter(|route| route.destination.prefix() == 0) {
        let link = route.link.map(|index| links::find_by_index(inner, index)).transpose()?.flatten();
        let link = link.map(|link| link.name);
        found.push(RouteTrace { destination: "default", via: route.gateway, link });
    }
    Ok(found)
}
