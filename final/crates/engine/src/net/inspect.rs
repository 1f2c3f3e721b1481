//! A container's networks for `ps`, `port` and `inspect`.

use std::collections::BTreeMap;

use hull_docker::wire::Empty;
use hull_docker::wire::host_config::{PortBinding, PortMap};
use hull_docker::wire::network_settings::{EndpointIpam, EndpointSettings, NetworkSettings};
use hull_image::Digest;
use hull_network::pool::Pool;
use hull_network::ports::{Port, Transport};
use hull_storage::root::Root;

use super::endpoint::{NetworkState, PublishedPort};
use super::legacy_links::are_in_hosts;
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

/// The same, with the container's endpoints.
pub(crate) fn published_on(root: &Root, id: &str) -> Result<(Vec<PublishedPort>, Vec<Endpoint>)> {
    let NetworkState { endpoints, user_mode, proxied, .. } = NetworkState::load(root, id)?;
    let mut ports = [user_mode, proxied].concat();
    ports.extend(endpoints.iter().flat_map(|endpoint| &endpoint.published).map(PublishedPort::from));
    ports.sort_unstable();
    Ok((ports, endpoints))
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

/// Ranges of ports that are consecutive on both sides: the first port of each, and the number of ports.
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

/// docker's `HostConfig.PortBindings`: the ports that the user wants published.
pub(crate) fn port_bindings(record: &Record) -> PortMap {
    let mut bindings = PortMap::new();
    for mapping in &record.options.publish {
        let host_port = match mapping.host {
            None => String::new(),
            Some((first, last)) if first == last => first.to_string(),
            Some((first, last)) => format!("{first}-{last}"),
        };
        let host_ip = mapping.host_ip.map_or(String::new(), |ip| ip.to_string());
        push(&mut bindings, mapping.container, PortBinding { host_ip, host_port });
    }
    bindings
}

fn push(ports: &mut PortMap, port: Port, binding: PortBinding) {
    ports.entry(port.to_string()).or_default().get_or_insert_default().push(binding);
}

/// docker's `Config.ExposedPorts`.
pub(crate) fn exposed_ports(record: &Record) -> BTreeMap<String, Empty> {
    let shown = |port: &Port| {
        let is_bare = port.transport == Transport::Tcp && record.options.bare_ports.contains(&port.number);
        if is_bare { port.number.to_string() } else { port.to_string() }
    };
    record.exposed.iter().map(|port| (shown(port), Empty {})).collect()
}

/// docker's `NetworkSettings`: the container's networks as they are.
pub(crate) fn network_settings(root: &Root, record: &Record, snapshot: &Snapshot) -> Result<NetworkSettings> {
    let is_active = snapshot.status.is_active();
    let endpoints = if is_active { endpoints(root, &record.id)? } else { vec![] };
    let mut ports = PortMap::new();
    if is_active {
        ports.extend(record.exposed.iter().map(|port| (port.to_string(), None)));
        for port in published(root, &record.id)? {
            let (host_ip, host_port) = (port.host.ip().to_string(), port.host.port().to_string());
            push(&mut ports, port.container, PortBinding { host_ip, host_port });
        }
    }
    // docker's older fields for the addresses, which only the default network fills.
    let on_default = endpoints.iter().find(|endpoint| endpoint.network.is_default());
    let on_default = on_default.map(|endpoint| addresses(&record.id, endpoint)).unwrap_or_default();
    Ok(NetworkSettings {
        sandbox_id: if is_active { record.id.clone() } else { String::new() },
        sandbox_key: snapshot.init_pid().map_or(String::new(), |pid| format!("/proc/{pid}/ns/net")),
        ports,
        endpoint_id: on_default.endpoint_id,
        gateway: on_default.gateway,
        global_ipv6_address: on_default.global_ipv6_address,
        global_ipv6_prefix_len: on_default.global_ipv6_prefix_len,
        ip_address: on_default.ip_address,
        ip_prefix_len: on_default.ip_prefix_len,
        ipv6_gateway: on_default.ipv6_gateway,
        mac_address: on_default.mac_address,
        networks: networks(&Subject::of(record), &endpoints),
        ..NetworkSettings::default()
    })
}

/// The container whose networks are shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub id: &'a str,
    pub name: &'a str,
    pub mode: &'a NetworkMode,
    pub networks: &'a [NetworkOption],
    pub links: &'a [(String, String)],
}

impl<'a> Subject<'a> {
    fn of(record: &'a Record) -> Self {
        let options = &record.options;
        let (mode, networks, links) = (&options.network, &options.networks, &options.links);
        Self { id: &record.id, name: &record.name, mode, networks, links }
    }
}

/// Each network that the container is to be on, with its endpoint there while it runs.
pub(crate) fn networks(one: &Subject<'_>, endpoints: &[Endpoint]) -> BTreeMap<String, EndpointSettings> {
    // One that shares another container's network namespace is on no network of its own.
    if matches!(one.mode, NetworkMode::Container(_)) {
        return BTreeMap::new();
    }
    let settings = |name: String| {
        let endpoint = endpoints.iter().find(|endpoint| endpoint.network.name == name);
        let option = one.networks.iter().find(|option| option.network == name);
        let mut settings = endpoint.map(|endpoint| addresses(one.id, endpoint)).unwrap_or_default();
        settings.aliases = option.map(|option| option.aliases.clone()).unwrap_or_default();
        settings.ipam_config = option.and_then(requested_addresses);
        settings.driver_opts = option.map(|option| option.driver_opts.clone()).unwrap_or_default();
        settings.gw_priority = option.map_or(0, |option| option.gw_priority);
        if let Some(mac) = option.and_then(|option| option.mac) {
            settings.mac_address = mac.to_string();
        }
        if !are_in_hosts(one.mode, one.networks) {
            let link = |(other, alias): &(String, String)| format!("{other}:{alias}");
            settings.links = one.links.iter().map(link).collect();
        }
        if endpoint.is_some_and(|endpoint| !endpoint.network.is_default()) {
            let short = one.id.get(..12).unwrap_or(one.id).to_owned();
            let names = std::iter::once(one.name.to_owned()).chain(settings.aliases.iter().cloned());
            settings.dns_names = names.chain([short]).collect();
        }
        (name, settings)
    };
    network_names(one.mode, one.networks).into_iter().map(settings).collect()
}

fn requested_addresses(option: &NetworkOption) -> Option<EndpointIpam> {
    let text = |address: Option<&dyn ToString>| address.map_or(String::new(), |address| address.to_string());
    let requested = EndpointIpam {
        ipv4_address: text(option.ip.as_ref().map(|ip| ip as _)),
        ipv6_address: text(option.ip6.as_ref().map(|ip| ip as _)),
        link_local_ips: option.link_local.iter().map(ToString::to_string).collect(),
    };
    (requested != EndpointIpam::default()).then_some(requested)
}

fn addresses(container: &str, endpoint: &Endpoint) -> EndpointSettings {
    let (ipv4, ipv6) = (endpoint.address(false), endpoint.address(true));
    let address =
        |of: Option<(_, _)>| of.map_or(String::new(), |(ip, _): (std::net::IpAddr, &Pool)| ip.to_string());
    let gateway = |of: Option<(_, &Pool)>| of.map_or(String::new(), |(_, pool)| pool.gateway().to_string());
    let prefix = |of: Option<(_, &Pool)>| of.map_or(0, |(_, pool)| pool.subnet().prefix());
    EndpointSettings {
        network_id: endpoint.network.id.clone(),
        endpoint_id: endpoint_id(container, &endpoint.network.id),
        gateway: gateway(ipv4),
        ip_address: address(ipv4),
        ip_prefix_len: prefix(ipv4),
        ipv6_gateway: gateway(ipv6),
        global_ipv6_address: address(ipv6),
        global_ipv6_prefix_len: prefix(ipv6),
        mac_address: endpoint.mac.to_string(),
        ..EndpointSettings::default()
    }
}

/// An endpoint's id. docker draws it at random; here it is derived from the container and the network, so that it need not
/// be stored.
pub(super) fn endpoint_id(container: &str, network: &str) -> String {
    Digest::of(format!("{container} {network}").as_bytes()).hex().to_owned()
}
