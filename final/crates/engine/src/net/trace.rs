//! `network trace`: a container's way to the world as it is just now, asked of the kernel link by link, from the inside out.

use std::net::IpAddr;
use std::os::fd::AsFd;

use hull_network::links::{self, Link, vxlan};
use hull_network::netlink::{Protocol, Socket};
use hull_network::{addresses, namespace, routes};
use serde_json::{Value, json};

use super::context::{Sockets, table};
use super::drivers::tunnel_link;
use super::endpoint::{Endpoint, endpoints};
use super::expose;
use super::inspect::mode_name;
use crate::engine::Engine;
use crate::error::{IoContext, Result};
use crate::records::options::NetworkMode;
use crate::records::record::Record;
use crate::records::snapshot::Snapshot;
use crate::records::state::wrong_state;

impl Engine {
    /// Everything between a running container and the host's own links.
    pub fn trace_network(&self, container: &str) -> Result<Value> {
        let record = self.find(container)?;
        let snapshot = self.clear_if_dead(&record, Snapshot::take(self.root(), &record.id)?)?;
        let pid = snapshot.init_pid().ok_or_else(|| wrong_state("trace", &record, snapshot.status))?;
        let path = format!("/proc/{pid}/ns/net");
        let namespace = std::fs::read_link(&path).context(|| format!("read {path}"))?;
        let mut trace = json!({
            "Id": record.id,
            "Name": record.name,
            "Pid": pid,
            "Namespace": namespace,
            "ExposedAs": expose::name(self.root(), &record.id)?,
            "Mode": mode_name(&record.options.network),
        });
        if record.options.network == NetworkMode::Host {
            return Ok(trace);
        }
        let inside = namespace::of_process(pid)?;
        let mut inner = Socket::inside(inside.as_fd(), Protocol::Route)?;
        trace["Routes"] = json!(gateways(&mut inner)?);
        let mut sockets = Sockets::open()?;
        let endpoints = endpoints(self.root(), owner(&record))?;
        let traced = endpoints.iter().map(|endpoint| self.trace_endpoint(endpoint, &mut inner, &mut sockets));
        trace["Networks"] = traced.collect::<Result<_>>()?;
        Ok(trace)
    }

    fn trace_endpoint(
        &self,
        endpoint: &Endpoint,
        inner: &mut Socket,
        sockets: &mut Sockets,
    ) -> Result<Value> {
        let network = &endpoint.network;
        let route = &mut sockets.route;
        let mut trace = json!({
            "Network": network.name,
            "Driver": network.driver().name(),
            "Inside": found(&endpoint.interface, inner)?,
            "Published": endpoint.published,
        });
        if network.driver().has_bridge() {
            trace["Cable"] = found(&endpoint.link, route)?;
            trace["Bridge"] = found(&network.link, route)?;
        }
        if let Some(parent) = network.driver().parent() {
            trace["Parent"] = found(parent, route)?;
        }
        if let Some(tunnel) = network.driver().tunnel() {
            let name = tunnel_link(network);
            trace["Tunnel"] = found(&name, route)?;
            trace["Tunnel"]["Number"] = json!(tunnel.id);
            trace["Tunnel"]["Port"] = json!(tunnel.port);
            if let Some(link) = links::find(route, &name)? {
                trace["Tunnel"]["Peers"] = json!(vxlan::peers(route, link.index)?);
            }
        }
        if let Some(rules) = endpoint.rules() {
            let table = table(self.root());
            trace["Table"] = json!(table.name());
            trace["Rules"] = json!(table.status(&mut sockets.filter, &rules)?);
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

/// A link and its addresses; one that is missing says no more than its name.
fn found(name: &str, route: &mut Socket) -> Result<Value> {
    let Some(link) = links::find(route, name)? else {
        return Ok(json!({ "Name": name, "Missing": true }));
    };
    let addresses = addresses::list(route, Some(link.index))?;
    let addresses: Vec<_> =
        addresses.iter().map(|address| format!("{}/{}", address.ip, address.prefix)).collect();
    let Link { index, mtu, up, .. } = link;
    Ok(json!({
        "Name": name,
        "Index": index,
        "Up": up,
        "Mtu": mtu,
        "MacAddress": link.mac.map(|mac| mac.to_string()),
        "Addresses": addresses,
    }))
}

/// Where what is on no network of the container's goes.
fn gateways(inner: &mut Socket) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    for route in routes::list(inner)?.into_iter().filter(|route| route.destination.prefix() == 0) {
        let link = route.link.map(|index| links::find_by_index(inner, index)).transpose()?.flatten();
        let via: Option<IpAddr> = route.gateway;
        found.push(json!({ "Destination": "default", "Via": via, "Link": link.map(|link| link.name) }));
    }
    Ok(found)
}
