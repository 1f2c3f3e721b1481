//! The objects of `--format json` and `yaml`: the fields that LXD's API has for an instance.

use hull_docker::time;
use hull_engine::{Status, Summary};
use serde_json::{Value, json};

use super::row::{Row, state};

/// LXD's number of a container's state.
fn code(one: &Summary) -> u32 {
    match one.status {
        Status::Created | Status::Exited => 102,
        Status::Running | Status::Restarting => 103,
        Status::Paused => 110,
        Status::Dead => 112,
    }
}

pub fn all(rows: &[Row<'_>]) -> Value {
    Value::Array(rows.iter().map(one).collect())
}

fn one(row: &Row<'_>) -> Value {
    let one = row.summary;
    let instance = one.instance();
    let mut network = serde_json::Map::new();
    for (interface, address) in one.addresses() {
        let family = if address.is_ipv6() { "inet6" } else { "inet" };
        let address = json!({ "family": family, "address": address.to_string(), "scope": "global" });
        let entry = network.entry(interface).or_insert_with(|| json!({ "addresses": [] }));
        if let Some(addresses) = entry.get_mut("addresses").and_then(Value::as_array_mut) {
            addresses.push(address);
        }
    }
    json!({
        "name": one.name,
        "type": "container",
        "status": state(one),
        "status_code": code(one),
        "architecture": std::env::consts::ARCH,
        "description": row.description(),
        "created_at": time::go_json(one.created),
        "last_used_at": one.started.map(time::go_json).unwrap_or_default(),
        "ephemeral": one.is_ephemeral(),
        "stateful": false,
        "location": "none",
        "project": "default",
        "profiles": instance.profiles,
        "config": instance.config,
        "devices": instance.devices,
        "expanded_config": instance.expanded.config,
        "expanded_devices": instance.expanded.devices,
        "storage_pool": one.pool(),
        "state": {
            "status": state(one),
            "status_code": code(one),
            "pid": one.init().unwrap_or(0),
            "network": network,
        },
    })
}
