//! References of a service to other services' containers: `network_mode: service:NAME`, the same for `ipc` and `pid`, and
//! `volumes_from`. In a container's definition, and so in its hash, they are ids of containers.

use std::collections::BTreeMap;

use hull_composefile::model::Service;

const SERVICE: &str = "service:";
const CONTAINER: &str = "container:";

/// The services that a service refers to.
pub fn of(service: &Service) -> Vec<String> {
    let modes = [&service.network_mode, &service.ipc, &service.pid];
    let shared = modes.into_iter().filter_map(|mode| mode.strip_prefix(SERVICE));
    let mut names: Vec<String> = shared
        .chain(service.volumes_from.iter().filter_map(|from| volumes_of(from)))
        .map(str::to_owned)
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The service of an entry of `volumes_from`, whose container may be named instead.
fn volumes_of(from: &str) -> Option<&str> {
    match from.split(':').next() {
        Some("container") | None => None,
        service => service,
    }
}

/// The service with the ids of containers for the services that it refers to.
pub fn resolve(service: &Service, ids: &BTreeMap<String, String>) -> Service {
    let mut resolved = service.clone();
    for mode in [&mut resolved.network_mode, &mut resolved.ipc, &mut resolved.pid] {
        if let Some(id) = mode.strip_prefix(SERVICE).and_then(|name| ids.get(name)) {
            *mode = format!("{CONTAINER}{id}");
        }
    }
    // Compose leaves the access mode out, and a container's name alone stays.
    for from in &mut resolved.volumes_from {
        if let Some(id) = volumes_of(from).and_then(|name| ids.get(name)) {
            id.clone_into(from);
        } else if let Some(container) = from.strip_prefix(CONTAINER) {
            *from = container.split(':').next().unwrap_or_default().to_owned();
        }
    }
    resolved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_become_ids() {
        let service = Service {
            network_mode: "service:db".into(),
            ipc: "host".into(),
            pid: "container:other".into(),
            volumes_from: vec!["data:ro".into(), "container:old:ro".into()],
            ..Service::default()
        };
        assert_eq!(of(&service), ["data", "db"]);
        let ids = [("db", "1"), ("data", "2")].map(|(name, id)| (name.to_owned(), id.to_owned())).into();
        let resolved = resolve(&service, &ids);
        assert_eq!(resolved.network_mode, "container:1");
        assert_eq!((resolved.ipc, resolved.pid), ("host".to_owned(), "container:other".to_owned()));
        assert_eq!(resolved.volumes_from, ["2", "old"]);
    }
}
