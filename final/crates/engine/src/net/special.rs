//! The networks that docker lists though they are only modes of a container.

use hull_docker::wire::NEVER;
use hull_docker::wire::network::{Ipam, Network};

/// docker's pre-defined networks that are only modes: `host` and `none`.
pub(super) fn special(name: &str) -> Option<Network> {
    let driver = match name {
        "host" => "host",
        "none" => "null",
        _ => return None,
    };
    Some(Network {
        name: name.into(),
        id: special_id(name),
        created: NEVER.into(),
        scope: "local".into(),
        driver: driver.into(),
        enable_ipv4: true,
        ipam: Ipam { driver: "default".into(), ..Ipam::default() },
        ..Network::default()
    })
}

/// The id of a pre-defined network, which is the same for every state root.
pub(super) fn special_id(name: &str) -> String {
    let digits: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{digits:0<64}")
}
