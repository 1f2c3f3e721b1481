//! Networks and volumes of a project. An external one is not made: it has no request.

use hull_composefile::model::{Network, Project, Volume};
use hull_docker::wire::{network, volume};

use crate::labels;

/// The labels by which a project's network or volume is found again.
fn labels(
    project: &Project,
    own: &std::collections::BTreeMap<String, String>,
    key: (&str, &str),
    hash: String,
) -> std::collections::BTreeMap<String, String> {
    let mut all = own.clone();
    all.extend(
        [
            (key.0, key.1.to_owned()),
            (labels::PROJECT, project.name.clone()),
            (labels::VERSION, labels::COMPOSE_VERSION.to_owned()),
            (labels::CONFIG_HASH, hash),
        ]
        .map(|(key, value)| (key.to_owned(), value)),
    );
    all
}

pub fn network_request(project: &Project, key: &str, network: &Network) -> network::CreateRequest {
    let pool = |pool: &hull_composefile::model::IpamPool| network::IpamConfig {
        subnet: pool.subnet.clone(),
        ip_range: pool.ip_range.clone(),
        gateway: pool.gateway.clone(),
        auxiliary_addresses: pool.aux_addresses.0.clone(),
    };
    network::CreateRequest {
        name: network.name.clone(),
        driver: network.driver.clone(),
        enable_ipv4: network.enable_ipv4,
        enable_ipv6: network.enable_ipv6,
        ipam: network::Ipam {
            driver: network.ipam.driver.clone(),
            options: None,
            config: network.ipam.config.iter().map(pool).collect(),
        },
        internal: network.internal,
        attachable: network.attachable,
        options: network.driver_opts.0.clone(),
        labels: labels(
            project,
            &network.labels,
            (labels::NETWORK, key),
            hull_composefile::hash::network(network),
        ),
        ..network::CreateRequest::default()
    }
}

pub fn volume_request(project: &Project, key: &str, volume: &Volume) -> volume::CreateRequest {
    volume::CreateRequest {
        name: volume.name.clone(),
        driver: volume.driver.clone(),
        driver_opts: volume.driver_opts.0.clone(),
        labels: labels(
            project,
            &volume.labels,
            (labels::VOLUME, key),
            hull_composefile::hash::volume(volume),
        ),
    }
}
