//! `network show`, `edit`, `get`, `set`, `unset`, `attach`, `detach` and `list-leases`: networks in LXD's words.

use std::collections::BTreeMap;
use std::net::IpAddr;

use anyhow::{Result, bail};
use hull_engine::{Engine, NetworkChange, NetworkRecord};
use hull_lxd::network::{self, Setting};
use hull_lxd::{document, yaml};
use serde_json::{Value, json};

use super::{device, settings};
use crate::cli::network::{Attach, Detach, ListLeases};
use crate::ui::errors::Hint;
use crate::ui::{grid, output};

/// The label that holds the description.
const DESCRIPTION: &str = "description";

const HELP: &str = "The settings of a network. Lines that begin with # are ignored.
Of these entries config and description can be changed.";

type Config = BTreeMap<String, String>;

/// The keys of a network with their present values.
fn config(network: &NetworkRecord) -> Config {
    let mut config: Config =
        network.labels.clone().into_iter().filter(|(key, _)| key.starts_with("user.")).collect();
    let gateway = |is_v6: bool| {
        let pool = network.pools.iter().find(|pool| pool.subnet().is_ipv6() == is_v6);
        pool.map_or("none".to_owned(), |pool| format!("{}/{}", pool.gateway(), pool.subnet().prefix()))
    };
    for (family, is_v6) in [("ipv4", false), ("ipv6", true)] {
        let address = gateway(is_v6);
        if address != "none" {
            config.insert(format!("{family}.nat"), network.masquerade.to_string());
        }
        config.insert(format!("{family}.address"), address);
    }
    if let Some(mtu) = network.mtu {
        config.insert("bridge.mtu".into(), mtu.to_string());
    }
    config
}

fn description(network: &NetworkRecord) -> &str {
    network.labels.get(DESCRIPTION).map_or("", String::as_str)
}

pub fn shown(engine: &Engine, name: &str) -> Result<Value> {
    let network = engine.network(name)?;
    let inspected = engine.inspect_network(&network.name)?;
    let users: Vec<&str> = inspected.containers.values().map(|user| user.name.as_str()).collect();
    Ok(json!({
        "config": config(&network),
        "description": description(&network),
        "name": network.name,
        "type": inspected.driver,
        "used_by": users,
        "managed": true,
        "status": "Created",
        "locations": ["none"],
    }))
}

pub fn show(engine: &Engine, name: &str) -> Result<u8> {
    output::text(&yaml::write(&shown(engine, name)?))?;
    Ok(0)
}

pub fn get(engine: &Engine, name: &str, key: &str) -> Result<u8> {
    // A key that no network can have is an error, and not a key without a value.
    if !network::NAMES.contains(&key) && !key.starts_with("user.") {
        network::parse(key, "")?;
    }
    output::line(config(&engine.network(name)?).get(key).map_or("", String::as_str))?;
    Ok(0)
}

pub fn set(engine: &Engine, name: &str, words: &[String]) -> Result<u8> {
    // LXD's older form is a key and its value.
    if let [key, value] = words
        && !key.contains('=')
    {
        return change(engine, name, &[(key, value)]);
    }
    let pairs: Option<Vec<(&str, &str)>> = words.iter().map(|word| word.split_once('=')).collect();
    let Some(pairs) = pairs else {
        let error = anyhow::anyhow!("a setting has no value");
        return Err(error.context(Hint("write KEY=VALUE, as in ipv4.address=10.1.2.1/24".into())));
    };
    change(engine, name, &pairs)
}

pub fn unset(engine: &Engine, name: &str, key: &str) -> Result<u8> {
    change(engine, name, &[(key, "")])
}

fn change(engine: &Engine, name: &str, pairs: &[(&str, &str)]) -> Result<u8> {
    let change = planned(&engine.network(name)?, pairs)?;
    engine.change_network(name, &change)?;
    Ok(0)
}

/// The change that sets these keys. An empty value unsets its key.
fn planned(network: &NetworkRecord, pairs: &[(&str, &str)]) -> Result<NetworkChange> {
    let mut change = NetworkChange::default();
    let mut labels = network.labels.clone();
    let mut masquerade = None;
    for (key, value) in pairs {
        match network::parse(key, value)? {
            Setting::Address { is_v6: false, gateway: None } => {
                bail!("a network of hull has IPv4 addresses: ipv4.address cannot be none")
            }
            Setting::Address { is_v6: false, gateway } => change.ipv4 = gateway,
            Setting::Address { is_v6: true, gateway } => change.ipv6 = Some(gateway),
            Setting::Nat(nat) if masquerade.is_some_and(|other| other != nat) => {
                bail!("ipv4.nat and ipv6.nat are one setting of a network of hull: they cannot differ")
            }
            Setting::Nat(nat) => masquerade = Some(nat),
            Setting::Mtu(mtu) => change.mtu = Some(mtu),
            Setting::User { key, value } if value.is_empty() => drop(labels.remove(&key)),
            Setting::User { key, value } => drop(labels.insert(key, value)),
        }
    }
    change.masquerade = masquerade.filter(|nat| *nat != network.masquerade);
    change.labels = Some(labels);
    Ok(change)
}

pub fn edit(engine: &Engine, name: &str) -> Result<u8> {
    settings::edit(&yaml::write(&shown(engine, name)?), HELP, |text| replace(engine, name, text))?;
    Ok(0)
}

/// Gives a network what an edited document says. A key that the document does not have is unset.
fn replace(engine: &Engine, name: &str, text: &str) -> Result<()> {
    let known = ["config", "description", "name", "type", "used_by", "managed", "status", "locations"];
    let document = document::mapping(text, &known)?;
    let wanted = document::texts(document.get("config"), "config")?;
    let network = engine.network(name)?;
    let mut change = planned(&network, &differing(&config(&network), &wanted))?;
    let labels = change.labels.get_or_insert_with(|| network.labels.clone());
    match document::text_of(&document, DESCRIPTION)? {
        text if text.is_empty() => drop(labels.remove(DESCRIPTION)),
        text => drop(labels.insert(DESCRIPTION.into(), text)),
    }
    engine.change_network(name, &change)?;
    Ok(())
}

/// The keys that differ, with the values that are wanted. Those that are to be unset have an empty value.
fn differing<'a>(present: &'a Config, wanted: &'a Config) -> Vec<(&'a str, &'a str)> {
    let changed = wanted.iter().filter(|(key, value)| present.get(*key) != Some(*value));
    let mut pairs: Vec<(&str, &str)> = changed.map(|(key, value)| (key.as_str(), value.as_str())).collect();
    // An address that is none is unset already.
    let gone = present.iter().filter(|(key, value)| !wanted.contains_key(*key) && *value != "none");
    pairs.extend(gone.map(|(key, _)| (key.as_str(), "")));
    // These two are one setting, so the one that stays as it is may contradict the other.
    if pairs.iter().any(|(key, _)| key.ends_with(".nat")) {
        let both = ["ipv4.nat", "ipv6.nat"].iter().filter_map(|key| Some((*key, wanted.get(*key)?.as_str())));
        pairs.extend(both);
    }
    pairs
}

/// Adds a device to the container, as `hull device add` does.
pub fn attach(engine: &Engine, args: &Attach) -> Result<u8> {
    let device = args.device.as_ref().unwrap_or(&args.network);
    let applied = engine.attach_network(&args.container, device, &args.network, args.interface.as_deref())?;
    device::need_restart(&applied)
}

/// Disconnects a container, whether a device or docker's `--network` or `network connect` has connected it.
pub fn detach(engine: &Engine, args: &Detach) -> Result<u8> {
    let device = args.device.as_deref();
    if let Some(applied) = engine.detach_network(&args.container, device, &args.network)? {
        return device::need_restart(&applied);
    }
    if let Some(device) = device {
        bail!("container {} has no device {device} on network {}", args.container, args.network);
    }
    engine.disconnect(&args.container, &args.network)?;
    Ok(0)
}

pub fn list_leases(engine: &Engine, args: &ListLeases) -> Result<u8> {
    let network = engine.network(&args.network)?;
    let mut rows = Vec::new();
    for lease in engine.network_leases(&args.network)? {
        let kind = if lease.is_static { "STATIC" } else { "DYNAMIC" };
        rows.push([lease.holder, lease.mac, lease.address.to_string(), kind.into()]);
    }
    let gateways: Vec<IpAddr> = network.pools.iter().map(|pool| pool.gateway()).collect();
    // The host has these addresses only if it has a link in the network.
    if !network.link.is_empty() {
        let name = format!("{}.gw", network.name);
        rows.extend(
            gateways.iter().map(|one| [name.clone(), String::new(), one.to_string(), "GATEWAY".into()]),
        );
    }
    let document = || {
        let object = |[hostname, hwaddr, address, kind]: &[String; 4]| json!({ "hostname": hostname, "hwaddr": hwaddr, "address": address, "type": kind.to_lowercase(), "location": "none" });
        Value::Array(rows.iter().map(object).collect())
    };
    match args.format.as_str() {
        "json" => output::json(&document())?,
        "yaml" => output::text(&yaml::write(&document()))?,
        format => {
            let titles = ["HOSTNAME", "MAC ADDRESS", "IP ADDRESS", "TYPE"].map(str::to_owned).to_vec();
            let lines: Vec<Vec<String>> = rows.iter().map(|row| row.to_vec()).collect();
            output::text(&grid::text(format, titles, &lines).unwrap_or_default())?;
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> Config {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_key_that_is_gone_is_unset() {
        let present = config(&[
            ("bridge.mtu", "1400"),
            ("ipv4.address", "10.1.0.1/24"),
            ("ipv6.address", "none"),
            ("user.a", "1"),
        ]);
        let wanted = config(&[("ipv4.address", "10.1.0.1/24"), ("user.b", "2")]);
        assert_eq!(differing(&present, &wanted), [("user.b", "2"), ("bridge.mtu", ""), ("user.a", "")]);
        assert_eq!(differing(&present, &config(&[])).len(), 3, "the address, which cannot be unset, too");
        assert!(differing(&present, &present).is_empty());
        let present = config(&[("ipv4.nat", "true"), ("ipv6.nat", "true")]);
        let wanted = config(&[("ipv4.nat", "false"), ("ipv6.nat", "true")]);
        assert!(differing(&present, &wanted).contains(&("ipv6.nat", "true")), "they contradict each other");
    }
}
