//! What `ps`, `port` and `inspect` say of a container's networks.

use std::net::IpAddr;

use hull_network::ports::Port;
use hull_storage::root::Root;
use serde_json::{Map, Value, json};

use super::endpoint::NetworkState;
use super::publish::PublishedPort;
use super::{Endpoint, endpoints};
use crate::engine::Engine;
use crate::error::Result;
use crate::records::options::{CreateOptions, NetworkMode, NetworkOption};
use crate::records::record::Record;
use crate::records::snapshot::Snapshot;

impl Engine {
    /// The published ports of a running container, in order.
    pub fn published_ports(&self, name: &str) -> Result<Vec<PublishedPort>> {
        let record = self.find(name)?;
        let snapshot = self.clear_if_dead(&record, Snapshot::take(self.root(), &record.id)?)?;
        match snapshot.status.is_active() {
            true => published(self.root(), &record.id),
            false => Ok(vec![]),
        }
    }
}

/// The published ports of an active container, in order.
pub(crate) fn published(root: &Root, id: &str) -> Result<Vec<PublishedPort>> {
    published_on(root, id).map(|(ports, _)| ports)
}

/// The same, with the ids of the networks that the container is on.
pub(crate) fn published_on(root: &Root, id: &str) -> Result<(Vec<PublishedPort>, Vec<String>)> {
    let NetworkState { endpoints, user_mode, proxied, .. } = NetworkState::load(root, id)?;
    let mut ports = [user_mode, proxied].concat();
    ports.extend(endpoints.iter().flat_map(|endpoint| &endpoint.published).map(PublishedPort::from));
    ports.sort_unstable();
    Ok((ports, endpoints.into_iter().map(|endpoint| endpoint.network.id).collect()))
}

/// docker's column: `0.0.0.0:8080->80/tcp, 443/tcp`.
pub(crate) fn ports_column(published: &[PublishedPort], exposed: &[Port]) -> String {
    let is_published = |port: &Port| published.iter().any(|one| one.container == *port);
    let mapped = ranges(published).into_iter().map(|(first, count)| match count {
        1 => format!("{}->{}", first.host, first.container),
        _ => {
            let Port { number, transport } = first.container;
            let (host, more) = (first.host.port(), count - 1);
            format!("{}-{}->{number}-{}/{transport}", first.host, host + more, number + more)
        }
    });
    let others = exposed.iter().filter(|port| !is_published(port)).map(Port::to_string);
    mapped.chain(others).collect::<Vec<_>>().join(", ")
}

/// Ports in a row on both sides: the first of each row and how many there are.
fn ranges(ports: &[PublishedPort]) -> Vec<(PublishedPort, u16)> {
    let mut ranges: Vec<(PublishedPort, u16)> = Vec::new();
    let mut sorted = ports.to_vec();
    sorted.sort_unstable_by_key(|port| (port.container.transport, port.host.ip(), port.container.number));
    for port in sorted {
        let follows = |(first, count): &(PublishedPort, u16)| {
            first.container.transport == port.container.transport
                && first.host.ip() == port.host.ip()
                && first.container.number.checked_add(*count) == Some(port.container.number)
                && first.host.port().checked_add(*count) == Some(port.host.port())
        };
        match ranges.last_mut().filter(|last| follows(last)) {
            Some((_, count)) => *count += 1,
            None => ranges.push((port, 1)),
        }
    }
    ranges.sort_unstable();
    ranges
}

/// The names under NETWORKS.
pub(crate) fn network_names(mode: &NetworkMode, networks: &[NetworkOption]) -> Vec<String> {
    match mode {
        NetworkMode::Networks => networks.iter().map(|option| option.network.clone()).collect(),
        other => vec![mode_name(other)],
    }
}

/// docker's `HostConfig.NetworkMode`.
pub(crate) fn network_mode(options: &CreateOptions) -> String {
    network_names(&options.network, &options.networks).into_iter().next().unwrap_or_default()
}

pub(super) fn mode_name(mode: &NetworkMode) -> String {
    match mode {
        NetworkMode::Default | NetworkMode::None => "none".into(),
        NetworkMode::Host => "host".into(),
        NetworkMode::UserMode(program) => program.name().into(),
        NetworkMode::Container(id) => format!("container:{id}"),
        NetworkMode::Networks => super::DEFAULT.into(),
    }
}

/// docker's `HostConfig.PortBindings`: what was asked.
pub(crate) fn port_bindings(record: &Record) -> Value {
    let mut bindings = Map::new();
    for mapping in &record.options.publish {
        let port = match mapping.host {
            None => String::new(),
            Some((first, last)) if first == last => first.to_string(),
            Some((first, last)) => format!("{first}-{last}"),
        };
        let ip = mapping.host_ip.map_or(String::new(), |ip| ip.to_string());
        push(&mut bindings, mapping.container, json!({ "HostIp": ip, "HostPort": port }));
    }
    Value::Object(bindings)
}

fn push(ports: &mut Map<String, Value>, port: Port, binding: Value) {
    match ports.entry(port.to_string()).or_insert(Value::Null) {
        Value::Array(bindings) => bindings.push(binding),
        entry => *entry = json!([binding]),
    }
}

/// docker's `Config.ExposedPorts`.
pub(crate) fn exposed_ports(record: &Record) -> Value {
    if record.exposed.is_empty() {
        return Value::Null;
    }
    Value::Object(record.exposed.iter().map(|port| (port.to_string(), json!({}))).collect())
}

/// docker's `NetworkSettings`: what is.
pub(crate) fn network_settings(root: &Root, record: &Record, snapshot: &Snapshot) -> Result<Value> {
    let endpoints = match snapshot.status.is_active() {
        true => endpoints(root, &record.id)?,
        false => vec![],
    };
    let mut networks = Map::new();
    for name in network_names(&record.options.network, &record.options.networks) {
        let endpoint = endpoints.iter().find(|endpoint| endpoint.network.name == name);
        let option = record.options.networks.iter().find(|option| option.network == name);
        let mut settings = addresses(endpoint);
        settings["Aliases"] = json!(option.map(|option| &option.aliases).filter(|a| !a.is_empty()));
        settings["IPAMConfig"] = match option.filter(|option| option.ip.is_some() || option.ip6.is_some()) {
            Some(option) => json!({ "IPv4Address": option.ip, "IPv6Address": option.ip6 }),
            None => Value::Null,
        };
        settings["NetworkID"] = json!(endpoint.map_or("", |endpoint| endpoint.network.id.as_str()));
        networks.insert(name, settings);
    }
    let mut ports = Map::new();
    if snapshot.status.is_active() {
        for port in &record.exposed {
            ports.insert(port.to_string(), Value::Null);
        }
    }
    let published = match snapshot.status.is_active() {
        true => published(root, &record.id)?,
        false => vec![],
    };
    for port in published {
        let binding = json!({ "HostIp": port.host.ip(), "HostPort": port.host.port().to_string() });
        push(&mut ports, port.container, binding);
    }
    // docker's old place for the addresses, of the default network only.
    let mut settings = addresses(endpoints.iter().find(|endpoint| endpoint.network.is_default()));
    settings["Bridge"] = json!("");
    settings["SandboxKey"] =
        json!(snapshot.init_pid().map_or(String::new(), |pid| format!("/proc/{pid}/ns/net")));
    settings["Ports"] = Value::Object(ports);
    settings["Networks"] = Value::Object(networks);
    Ok(settings)
}

fn addresses(endpoint: Option<&Endpoint>) -> Value {
    let of = |ipv6| endpoint.and_then(|endpoint| endpoint.address(ipv6));
    let address = |ipv6| of(ipv6).map_or(String::new(), |(ip, _): (IpAddr, _)| ip.to_string());
    let gateway = |ipv6| of(ipv6).map_or(String::new(), |(_, pool)| pool.gateway().to_string());
    let prefix = |ipv6| of(ipv6).map_or(0, |(_, pool)| pool.subnet().prefix());
    json!({
        "IPAddress": address(false),
        "IPPrefixLen": prefix(false),
        "Gateway": gateway(false),
        "GlobalIPv6Address": address(true),
        "GlobalIPv6PrefixLen": prefix(true),
        "IPv6Gateway": gateway(true),
        "MacAddress": endpoint.map_or(String::new(), |endpoint| endpoint.mac.to_string()),
    })
}
