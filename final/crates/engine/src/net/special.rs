//! The networks that docker lists though they are only modes of a container.

use hull_docker::wire::NEVER;
use hull_docker::wire::network::{Ipam, Network};

/// As many digits of an id as listings show.
const SHORT_ID: usize = 12;

/// docker's pre-defined networks that are only modes, `host` and `none`, by name or id.
pub(super) fn special(name_or_id: &str) -> Option<Network> {
    let is_id = |name: &str| name_or_id.len() >= SHORT_ID && special_id(name).starts_with(name_or_id);
    let named = [("host", "host"), ("none", "null")].into_iter();
    let (name, driver) = named.into_iter().find(|(name, _)| *name == name_or_id || is_id(name))?;
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
