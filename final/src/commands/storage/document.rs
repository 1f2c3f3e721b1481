//! Pools as LXD's YAML.

use std::collections::BTreeMap;

use anyhow::Result;
use hull_engine::{Pool, PoolInfo};
use hull_lxd::{document, yaml};
use serde_json::{Map, Value, json};

use crate::persona::Persona;

/// The entries that an edited document may have, including those that only `show` prints.
const KNOWN: [&str; 7] = ["config", "description", "name", "driver", "used_by", "status", "locations"];

/// What `show` prints.
pub(super) fn shown(pool: &Pool, users: &[String]) -> String {
    yaml::write(&json!({
        "config": pool.config,
        "description": pool.description,
        "name": pool.name,
        "driver": pool.driver.name(),
        "used_by": match Persona::own() {
            Persona::Lxc => users.iter().map(|user| address(&pool.name, user)).collect(),
            _ => users.to_vec(),
        },
        "status": pool.status(),
    }))
}

/// A user as LXD's API names it.
fn address(pool: &str, user: &str) -> String {
    match user.split_once(' ') {
        Some(("container", name)) => format!("/1.0/instances/{name}"),
        Some(("volume", name)) => format!("/1.0/storage-pools/{pool}/volumes/custom/{name}"),
        _ => user.to_owned(),
    }
}

/// The text that the user edits.
pub(super) fn editable(pool: &Pool) -> String {
    yaml::write(&json!({ "config": pool.config, "description": pool.description }))
}

/// The keys and the description in an edited text.
pub(super) fn parse(text: &str) -> Result<(BTreeMap<String, String>, String)> {
    let document = document::mapping(text, &KNOWN)?;
    let description = document::text_of(&document, "description")?;
    Ok((document::texts(document.get("config"), "config")?, description))
}

/// What `info` prints.
pub(super) fn info(info: &PoolInfo, amount: &dyn Fn(u64) -> String) -> String {
    let mut users: Map<String, Value> = Map::new();
    for user in &info.users {
        let (kind, name) = user.split_once(' ').unwrap_or(("container", user));
        let list = users.entry(format!("{kind}s")).or_insert_with(|| json!([]));
        if let Value::Array(list) = list {
            list.push(name.into());
        }
    }
    yaml::write(&json!({
        "info": {
            "description": info.pool.description,
            "driver": info.pool.driver.name(),
            "name": info.pool.name,
            "space used": amount(info.space.used),
            "total space": amount(info.space.total),
        },
        "used by": users,
    }))
}
