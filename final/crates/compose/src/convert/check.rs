//! Whether everything that a project asks for can be had: it is told before anything is made, with the key and its place.

use std::collections::BTreeMap;
use std::path::Path;

use hull_composefile::model::{Project, Service, ServiceVolume};
use hull_engine::options::CreateOptions;
use hull_engine::{NetworkOptions, VolumeOptions};

use super::api_socket::SOCKET;
use super::{Around, Peer, Request, Wanted, create_request, error, files, network_request, volume_request};
use crate::Result;

/// How many containers a project may have. A plan has an entry for each.
const MAX_CONTAINERS: i64 = 10_000;

/// Checks the services, networks and volumes of a project that are to be made.
pub fn check(project: &Project) -> Result<()> {
    for (key, network) in project.networks.iter().filter(|(_, network)| !network.external) {
        NetworkOptions::try_from(network_request(project, key, network))
            .and_then(|options| options.check())
            .map_err(|why| error(project, &["networks", key], &why.to_string()))?;
    }
    for (key, volume) in project.volumes.iter().filter(|(_, volume)| !volume.external) {
        VolumeOptions::try_from(volume_request(project, key, volume))
            .map_err(|why| error(project, &["volumes", key], &why.to_string()))?;
    }
    project.services.values().try_fold(0i64, |containers, service| {
        let containers = containers.saturating_add(service.scale().max(0));
        let key = if service.deploy.is_some() { "deploy" } else { "scale" };
        let why = format!("the project has more than {MAX_CONTAINERS} containers");
        match containers > MAX_CONTAINERS {
            true => Err(error(project, &["services", &service.name, key], &why)),
            false => Ok(containers),
        }
    })?;
    project.services.values().try_for_each(|service| check_service(project, service))
}

fn check_service(project: &Project, service: &Service) -> Result<()> {
    refuse(project, service)?;
    for (index, volume) in service.volumes.iter().enumerate() {
        check_volume(project, service, index, volume)?;
    }
    if !service.working_dir.is_empty() && !service.working_dir.starts_with('/') {
        let why = format!("{:?} is not an absolute path", service.working_dir);
        return Err(error(project, &["services", &service.name, "working_dir"], &why));
    }
    if service.use_api_socket && !Path::new(SOCKET).exists() {
        let why = format!("there is no {SOCKET}: start `hull serve` first");
        return Err(error(project, &["services", &service.name, "use_api_socket"], &why));
    }
    files::copies(project, service)?;
    files::check_sources(project, service)?;
    // No other service has a container yet, and its id says nothing of whether the rest is right.
    let peers = |name: &str| vec![Peer { name: name.to_owned(), id: name.to_owned() }];
    let around = Around { project, env_files: &[], proxies: &BTreeMap::new(), peers: &peers };
    let Request { request, .. } = create_request(&around, service, &Wanted::default())?;
    CreateOptions::try_from(request).map(drop).map_err(|why| {
        let why = why.to_string();
        match KEYS.iter().find(|(key, _)| why.contains(key)) {
            Some((_, key)) => error(project, &["services", &service.name, key], &why),
            None => error(project, &["services", &service.name], &why),
        }
    })
}

/// What the engine's errors call the keys of a service.
const KEYS: [(&str, &str); 22] = [
    ("CapAdd", "cap_add"),
    ("CapDrop", "cap_drop"),
    ("Dns", "dns"),
    ("ExtraHosts", "extra_hosts"),
    ("Hostname", "hostname"),
    ("Domainname", "domainname"),
    ("IpcMode", "ipc"),
    ("PidMode", "pid"),
    ("UTSMode", "uts"),
    ("CgroupnsMode", "cgroup"),
    ("UsernsMode", "userns_mode"),
    ("OomScoreAdj", "oom_score_adj"),
    ("MemorySwappiness", "mem_swappiness"),
    ("Healthcheck", "healthcheck"),
    ("isolation", "isolation"),
    ("cgroup parent", "cgroup_parent"),
    ("restart policy", "restart"),
    ("log options", "logging"),
    ("security option", "security_opt"),
    ("device rule", "device_cgroup_rules"),
    ("ulimit", "ulimits"),
    ("environment variable", "environment"),
];

/// What hull has nothing for.
fn refuse(project: &Project, service: &Service) -> Result<()> {
    let keys = [
        (service.provider.is_some(), "provider", "hull runs no provider: a service is a container here"),
        (!service.models.is_empty(), "models", "hull has no model runner"),
    ];
    match keys.iter().find(|(is_set, ..)| *is_set) {
        Some((_, key, why)) => Err(error(project, &["services", &service.name, key], why)),
        None => Ok(()),
    }
}

fn check_volume(project: &Project, service: &Service, index: usize, volume: &ServiceVolume) -> Result<()> {
    let index = index.to_string();
    let path = |key| ["services", &service.name, "volumes", &index, key];
    if !volume.target.starts_with('/') {
        let error =
            project.error(&path("target"), format_args!("{:?} is not an absolute path", volume.target));
        // Compose takes `n:/data` for a path of Windows, and not for a volume with the name `n`.
        return Err(match volume.target.as_bytes() {
            [letter, b':', ..] if letter.is_ascii_alphabetic() => error
                .hint("a source of one letter is taken for a drive: write source and target as a mapping"),
            _ => error.hint("a target is a path in the container, and begins with /"),
        }
        .into());
    }
    match volume.kind.as_str() {
        "bind" => {
            let creates = volume.bind.as_ref().is_none_or(|bind| bind.create_host_path);
            match creates || Path::new(&volume.source).exists() {
                true => Ok(()),
                false => {
                    let why = format!("bind source path does not exist: {}", volume.source);
                    Err(error(project, &path("source"), &why))
                }
            }
        }
        "volume" | "tmpfs" | "image" => Ok(()),
        kind => Err(error(project, &path("type"), &format!("hull has no mounts of type {kind:?}"))),
    }
}

/// Checks that no two containers of the services that are to run publish one port of the host.
pub fn check_ports(project: &Project) -> Result<()> {
    let mut taken: BTreeMap<(u16, &str), Vec<(&str, &str)>> = BTreeMap::new();
    for service in project.services.values() {
        for (index, port) in service.ports.iter().enumerate() {
            // Of a range the engine takes a free one.
            let Ok(number) = port.published.parse::<u16>() else { continue };
            if number == 0 {
                continue;
            }
            let others = taken.entry((number, &port.protocol)).or_default();
            let index = index.to_string();
            let path = ["services", &service.name, "ports", &index];
            if let Some((other, _)) = others.iter().find(|(_, address)| overlap(address, &port.host_ip)) {
                let why = format!(
                    "the host's port {number}/{} is published by the service {other:?} too",
                    port.protocol
                );
                return Err(error(project, &path, &why));
            }
            if service.scale() > 1 {
                let why = format!(
                    "the service has {} containers, and only one of them can publish the host's port {number}",
                    service.scale()
                );
                return Err(error(project, &path, &why));
            }
            if service.scale() > 0 {
                others.push((&service.name, &port.host_ip));
            }
        }
    }
    Ok(())
}

/// Whether a port at one address keeps another one from the other. No address is all of both families.
fn overlap(one: &str, other: &str) -> bool {
    let is_ipv6 = |address: &str| address.contains(':');
    let is_any = |address: &str| ["0.0.0.0", "::"].contains(&address);
    match (one, other) {
        ("", _) | (_, "") => true,
        (one, other) if is_ipv6(one) != is_ipv6(other) => false,
        (one, other) => one == other || is_any(one) || is_any(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_clash_at_the_same_address_only() {
        for (one, other) in
            [("", ""), ("", "::1"), ("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("127.0.0.1", "127.0.0.1")]
        {
            assert!(overlap(one, other) && overlap(other, one), "{one} {other}");
        }
        for (one, other) in [("127.0.0.1", "127.0.0.2"), ("0.0.0.0", "::1"), ("::", "127.0.0.1")] {
            assert!(!overlap(one, other) && !overlap(other, one), "{one} {other}");
        }
    }
}
