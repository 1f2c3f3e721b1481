//! Lists that have other columns in LXD than in hull: images, networks, profiles, pools and remotes. As json or yaml they
//! are arrays of the objects of LXD's API.

use anyhow::{Result, bail};
use hull_engine::{Engine, LOCAL};
use hull_lxd::yaml;
use serde_json::{Value, json};

use crate::commands::network_settings;
use crate::ui::hints::Code;
use crate::ui::{errors, grid, output};

/// A row of a table, and the object that it shows.
pub struct Entry {
    pub cells: Vec<String>,
    pub object: Value,
}

pub fn print(format: &str, titles: &[&str], entries: Vec<Entry>) -> Result<u8> {
    let (cells, objects): (Vec<_>, Vec<_>) =
        entries.into_iter().map(|entry| (entry.cells, entry.object)).unzip();
    match format {
        "json" => output::json(&objects)?,
        "yaml" => output::text(&yaml::write(&Value::Array(objects)))?,
        _ => {
            let titles = titles.iter().map(|title| (*title).to_owned()).collect();
            let Some(text) = grid::text(format, titles, &cells) else {
                bail!("invalid format {format:?}: it is csv, json, table, yaml or compact");
            };
            output::text(&text)?;
        }
    }
    Ok(0)
}

pub fn profiles(engine: &Engine, format: &str) -> Result<u8> {
    let mut entries = Vec::new();
    for (name, profile) in engine.profiles()? {
        let users = engine.profile_users(&name)?;
        entries.push(Entry {
            cells: vec![name.clone(), profile.description.clone(), users.len().to_string()],
            object: json!({
                "name": name,
                "description": profile.description,
                "config": profile.settings.config,
                "devices": profile.settings.devices,
                "used_by": users.iter().map(|user| format!("/1.0/instances/{user}")).collect::<Vec<_>>(),
            }),
        });
    }
    print(format, &["NAME", "DESCRIPTION", "USED BY"], entries)
}

pub fn pools(engine: &Engine, format: &str) -> Result<u8> {
    let mut entries = Vec::new();
    let mut code = 0;
    for (name, pool) in engine.pools()? {
        let pool = match pool {
            Ok(pool) => pool,
            Err(error) => {
                code = errors::report(&error.into(), Code::Plain);
                continue;
            }
        };
        // Not all users of a pool that is missing can be counted.
        let users = engine.pool_users(&name);
        let source = pool.source.display().to_string();
        entries.push(Entry {
            cells: vec![
                name.clone(),
                pool.driver.name().to_owned(),
                source,
                pool.description.clone(),
                users.as_ref().map_or("?".into(), |users| users.len().to_string()),
                pool.status().to_uppercase(),
            ],
            object: json!({
                "name": name,
                "driver": pool.driver.name(),
                "description": pool.description,
                "config": pool.config,
                "status": pool.status(),
                "used_by": users.unwrap_or_default(),
            }),
        });
    }
    let titles = ["NAME", "DRIVER", "SOURCE", "DESCRIPTION", "USED BY", "STATE"];
    print(format, &titles, entries)?;
    Ok(code)
}

pub fn networks(engine: &Engine, format: &str) -> Result<u8> {
    let mut entries = Vec::new();
    for network in engine.networks()? {
        let object = network_settings::shown(engine, &network.name)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let users = object["used_by"].as_array().map_or(0, Vec::len);
        let cells = vec![
            network.name.clone(),
            text(&object["type"]),
            "YES".into(),
            text(&object["config"]["ipv4.address"]),
            text(&object["config"]["ipv6.address"]),
            text(&object["description"]),
            users.to_string(),
            "CREATED".into(),
        ];
        entries.push(Entry { cells, object });
    }
    let titles = ["NAME", "TYPE", "MANAGED", "IPV4", "IPV6", "DESCRIPTION", "USED BY", "STATE"];
    print(format, &titles, entries)
}

pub fn remotes(engine: &Engine, format: &str) -> Result<u8> {
    let remotes = engine.remotes()?;
    let entry = |name: &str, url: &str, protocol: &str, (kind, is_public): (&str, bool)| {
        let is_default = name == remotes.default;
        let shown = if is_default { format!("{name} (current)") } else { name.to_owned() };
        let answer = |yes: bool| if yes { "YES" } else { "NO" };
        let is_static = name == LOCAL;
        let cells =
            [&*shown, url, protocol, kind, answer(is_public), answer(is_static), "NO"].map(str::to_owned);
        Entry {
            cells: cells.into(),
            object: json!({
                "Name": name, "Addr": url, "Protocol": protocol, "AuthType": kind, "Public": is_public,
                "Static": is_static, "Global": false,
            }),
        }
    };
    let local = entry(LOCAL, "unix://", "lxd", ("file access", false));
    let servers = remotes.remotes.iter();
    let others = servers.map(|(name, remote)| entry(name, &remote.url, "simplestreams", ("none", true)));
    let mut entries: Vec<Entry> = std::iter::once(local).chain(others).collect();
    entries.sort_by(|one, other| one.cells.cmp(&other.cells));
    let titles = ["NAME", "URL", "PROTOCOL", "AUTH TYPE", "PUBLIC", "STATIC", "GLOBAL"];
    print(format, &titles, entries)
}
