//! The networks of a container, its names and addresses there, its links and its published ports.

use hull_composefile::model::{HostsList, Service};
use hull_docker::wire::container::CreateRequest;
use hull_docker::wire::host_config::{PortBinding, PortMap};
use hull_docker::wire::network_settings::{EndpointIpam, EndpointSettings};

use super::{Around, Wanted, error};
use crate::Result;

/// The endpoint's option that names its link in the container.
const INTERFACE_NAME: &str = "com.docker.network.endpoint.ifname";

pub fn apply(
    around: &Around<'_>,
    service: &Service,
    wanted: &Wanted<'_>,
    request: &mut CreateRequest,
) -> Result<()> {
    let host = &mut request.host_config;
    host.port_bindings = port_bindings(service);
    host.links = links(around, service, wanted);
    if !service.network_mode.is_empty() {
        host.network_mode = shared_mode(around, service, "network_mode", &service.network_mode)?;
        return Ok(());
    }
    if around.project.networks.is_empty() {
        host.network_mode = "none".to_owned();
        return Ok(());
    }
    let keys = match service.networks_by_priority() {
        keys if keys.is_empty() => vec!["default"],
        keys => keys,
    };
    for (index, key) in keys.into_iter().enumerate() {
        let known = around.project.networks.get(key);
        let name = known.map_or(key, |network| &network.name).to_owned();
        let mut endpoint = endpoint(service, key, wanted);
        endpoint.links = host.links.clone();
        if index == 0 {
            first_mac(around, service, key, &mut endpoint)?;
            host.network_mode = name.clone();
        }
        request.networking_config.endpoints_config.push((name, endpoint));
    }
    Ok(())
}

/// The service's `mac_address` is that of its first network.
fn first_mac(
    around: &Around<'_>,
    service: &Service,
    key: &str,
    endpoint: &mut EndpointSettings,
) -> Result<()> {
    if endpoint.mac_address.is_empty() {
        endpoint.mac_address = service.mac_address.clone();
    } else if !service.mac_address.is_empty() && service.mac_address != endpoint.mac_address {
        let path = ["services", &service.name, "mac_address"];
        let why = format!("it is not the address that networks.{key}.mac_address has");
        return Err(error(around.project, &path, &why));
    }
    Ok(())
}

fn endpoint(service: &Service, key: &str, wanted: &Wanted<'_>) -> EndpointSettings {
    let mut endpoint = EndpointSettings { aliases: vec![wanted.name.clone()], ..EndpointSettings::default() };
    if wanted.use_aliases() {
        endpoint.aliases.push(service.name.clone());
    }
    let Some(own) = service.networks.get(key).and_then(Option::as_ref) else { return endpoint };
    if wanted.use_aliases() {
        endpoint.aliases.extend(own.aliases.iter().cloned());
    }
    endpoint.ipam_config = Some(EndpointIpam {
        ipv4_address: own.ipv4_address.clone(),
        ipv6_address: own.ipv6_address.clone(),
        link_local_ips: own.link_local_ips.clone(),
    });
    endpoint.ip_address = own.ipv4_address.clone();
    endpoint.ipv6_gateway = own.ipv6_address.clone();
    endpoint.mac_address = own.mac_address.clone();
    endpoint.driver_opts = own.driver_opts.0.clone();
    if !own.interface_name.is_empty() {
        endpoint.driver_opts.insert(INTERFACE_NAME.to_owned(), own.interface_name.clone());
    }
    endpoint.gw_priority = own.gateway_priority;
    endpoint
}

/// The mode of a namespace: `service:NAME` becomes the service's first container.
pub fn shared_mode(around: &Around<'_>, service: &Service, key: &str, mode: &str) -> Result<String> {
    let Some(name) = mode.strip_prefix("service:") else { return Ok(mode.to_owned()) };
    let path = ["services", &service.name, key];
    Ok(format!("container:{}", around.first_of(name, &path, "namespace")?))
}

fn port_bindings(service: &Service) -> PortMap {
    let mut all = PortMap::new();
    for port in &service.ports {
        let bindings = all.entry(format!("{}/{}", port.target, port.protocol)).or_default();
        bindings
            .get_or_insert_default()
            .push(PortBinding { host_ip: port.host_ip.clone(), host_port: port.published.clone() });
    }
    all
}

/// `CONTAINER:ALIAS`. A linked container has three names: the link's, and its own with and without the project's.
fn links(around: &Around<'_>, service: &Service, wanted: &Wanted<'_>) -> Vec<String> {
    let (project, separator) = (&around.project.name, around.project.separator);
    let mut all = Vec::new();
    for text in &service.links {
        let (linked, alias) = text.split_once(':').unwrap_or((text, text));
        let number = wanted.number().map_or_else(|| "-1".to_owned(), |number| number.to_string());
        for peer in (around.peers)(linked) {
            let names = [
                alias.to_owned(),
                format!("{linked}{separator}{number}"),
                format!("{project}{separator}{linked}{separator}{number}"),
            ];
            all.extend(names.map(|name| format!("{}:{name}", peer.name)));
        }
    }
    for text in &service.external_links {
        let (container, alias) = text.split_once(':').unwrap_or((text, text));
        all.push(format!("{container}:{alias}"));
    }
    all
}

/// `NAME:ADDRESS`.
pub fn extra_hosts(hosts: &HostsList) -> Vec<String> {
    let lines = hosts
        .iter()
        .flat_map(|(name, addresses)| addresses.iter().map(move |address| format!("{name}:{address}")));
    lines.collect()
}
