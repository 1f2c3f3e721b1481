//! `network ls inspect rm prune`.

use std::collections::BTreeMap;

use hull_network::leases::Leases;
use hull_storage::file;
use serde_json::{Map, Value, json};

use super::drivers::bridge::{self, Sockets};
use super::endpoint::{Endpoint, endpoints};
use super::record::{DEFAULT, NetworkRecord};
use super::stale;
use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::records::find::directories;
use crate::records::options::NetworkMode;
use crate::records::record::Record;

impl Engine {
    /// All networks that have addresses, by name. The default one is among them once it has been used. One whose record is
    /// damaged hides no other: [`Self::damaged_networks`].
    pub fn networks(&self) -> Result<Vec<NetworkRecord>> {
        Ok(self.network_records()?.into_values().filter_map(Result::ok).collect())
    }

    /// The names of those whose records cannot be read, and why not.
    pub fn damaged_networks(&self) -> Result<Vec<(String, String)>> {
        let records = self.network_records()?.into_iter();
        Ok(records.filter_map(|(name, record)| Some((name, record.err()?.to_string()))).collect())
    }

    fn network_records(&self) -> Result<BTreeMap<String, Result<NetworkRecord>>> {
        let directory = self.networks_dir();
        let entries = match std::fs::read_dir(&directory) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            entries => Some(entries.context(|| format!("read {}", directory.display()))?),
        };
        let names = entries.into_iter().flatten().flatten().filter_map(|entry| {
            // What else lies there is somebody's temporary file.
            Some(entry.file_name().to_str()?.strip_suffix(".json")?.to_owned())
        });
        let names = names.filter(|name| hull_storage::names::is_valid(name) && name != DEFAULT);
        let record = |name: String| Some((name.clone(), self.load_network(&name).transpose()?));
        Ok(names.chain([DEFAULT.to_owned()]).filter_map(record).collect())
    }

    /// A network by its name, its id or the beginning of it.
    pub fn find_network(&self, name_or_id: &str) -> Result<NetworkRecord> {
        if let Some(network) = self.load_network(name_or_id)? {
            return Ok(network);
        }
        let is_id = !name_or_id.is_empty() && name_or_id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let mut found: Vec<_> = match is_id {
            true => self.networks()?.into_iter().filter(|n| n.id.starts_with(name_or_id)).collect(),
            false => vec![],
        };
        match found.len() {
            0 => Err(Error::NoSuchNetwork(name_or_id.to_owned())),
            1 => Ok(found.remove(0)),
            _ => Err(Error::Ambiguous {
                name: name_or_id.to_owned(),
                candidates: found.into_iter().map(|network| network.name).collect(),
            }),
        }
    }

    /// docker's layout.
    pub fn inspect_network(&self, name: &str) -> Result<Value> {
        if let Some(mut special) = special(name) {
            special["Containers"] = Value::Object(self.on_special(name)?);
            return Ok(special);
        }
        if name == DEFAULT && self.load_network(DEFAULT)?.is_none() {
            // What it is to be is decided now.
            bridge::default_record(self)?;
        }
        let network = self.find_network(name)?;
        let mut containers = Map::new();
        for (id, endpoint) in self.endpoints_on(&network.name)? {
            let name = match Record::load(self.root(), &id) {
                Ok(record) => record.name,
                Err(Error::NoSuchContainer(_)) => continue,
                // It is on the network even if its record cannot be read, and is shown by its id.
                Err(_) => id.clone(),
            };
            let address = |ipv6| {
                endpoint
                    .address(ipv6)
                    .map_or(String::new(), |(ip, pool)| format!("{ip}/{}", pool.subnet().prefix()))
            };
            let described = json!({
                "Name": name,
                "EndpointID": endpoint.link,
                "MacAddress": endpoint.mac.to_string(),
                "IPv4Address": address(false),
                "IPv6Address": address(true),
            });
            containers.insert(id, described);
        }
        Ok(describe(&network, containers))
    }

    /// The running containers that share the host's network, or have none.
    fn on_special(&self, name: &str) -> Result<Map<String, Value>> {
        let mut containers = Map::new();
        for container in self.list()?.into_iter().filter(|container| container.status.is_active()) {
            if container.networks == [name] {
                let described = json!({
                    "Name": container.name,
                    "EndpointID": container.id,
                    "MacAddress": "",
                    "IPv4Address": "",
                    "IPv6Address": "",
                });
                containers.insert(container.id, described);
            }
        }
        Ok(containers)
    }

    /// Removes a network that no running container is on.
    pub fn remove_network(&self, name: &str) -> Result<String> {
        if name == DEFAULT || special(name).is_some() {
            return Err(Error::Unsupported(format!("{name} is a pre-defined network and cannot be removed")));
        }
        let network = self.find_network(name).or_else(|error| self.salvage_network(name).ok_or(error))?;
        let lock = self.lock_network(&network.name)?;
        // It may have been removed while we waited.
        if std::fs::symlink_metadata(self.network_file(&network.name)).is_err() {
            return Err(Error::NoSuchNetwork(network.name));
        }
        let leases = Leases::open(self.root().run(), &network.name)?.list()?;
        if let Some(lease) = leases.first() {
            let user = lease.holder.names.first().cloned().unwrap_or_default();
            return Err(Error::NetworkInUse { network: network.name, user });
        }
        if network.driver.has_bridge() && !network.link.is_empty() {
            let mut sockets = Sockets::open()?;
            stale::sweep(self, &network.name, &mut sockets.filter)?;
            bridge::remove(self, &network, &mut sockets)?;
        }
        // Last, so that whatever stops us can be gone on with.
        file::remove(&self.network_file(&network.name))?;
        hull_storage::tree::remove_tree(&self.network_run_dir(&network.name))?;
        drop(lock);
        Ok(network.name)
    }

    /// What the removal of a network takes whose record is damaged: its name, and its bridge's where that can still be read.
    fn salvage_network(&self, name: &str) -> Option<NetworkRecord> {
        self.load_network(name).err()?;
        let content = file::read(&self.network_file(name)).unwrap_or_default();
        let content = String::from_utf8_lossy(&content);
        let is_link = |word: &&str| word.starts_with("hl-") && hull_storage::names::is_valid(word);
        let link = content.split('"').find(is_link).unwrap_or_default();
        let record = json!({
            "format": NetworkRecord::FORMAT, "id": link.trim_start_matches("hl-"), "name": name, "link": link,
            "created": "1970-01-01T00:00:00Z", "pools": [], "internal": false, "masquerade": false,
            "between_containers": true, "labels": {}, "options": {},
        });
        serde_json::from_value(record).ok()
    }

    /// Everything that `--network` takes, described as by [`Self::inspect_network`].
    pub fn all_networks(&self) -> Result<Vec<Value>> {
        if !hull_sys::process::in_user_namespace() && matches!(self.load_network(DEFAULT), Ok(None)) {
            bridge::default_record(self)?;
        }
        let mut all: Vec<_> = self.networks()?.iter().map(|network| describe(network, Map::new())).collect();
        let damaged = |(name, _)| json!({ "Name": name, "Scope": "local", "Driver": "damaged" });
        all.extend(self.damaged_networks()?.into_iter().map(damaged));
        all.extend(["host", "none"].into_iter().filter_map(special));
        all.sort_by(|a, b| a["Name"].as_str().cmp(&b["Name"].as_str()));
        Ok(all)
    }

    /// The networks that no container is made for; the default one is not among them.
    pub fn unused_networks(&self) -> Result<Vec<String>> {
        let mut used = Vec::new();
        for id in self.ids()? {
            // One that is being removed uses nothing.
            let Ok(record) = Record::load(self.root(), &id) else { continue };
            if record.options.network == NetworkMode::Networks {
                used.extend(record.options.networks.into_iter().map(|option| option.network));
            }
        }
        let unused = self.networks()?.into_iter().filter(|network| !network.is_default());
        Ok(unused.map(|network| network.name).filter(|name| !used.contains(name)).collect())
    }

    /// Removes them; the names of those that could be.
    pub fn prune_networks(&self) -> Result<Vec<String>> {
        let mut removed = Vec::new();
        for name in self.unused_networks()? {
            match self.remove_network(&name) {
                Err(Error::NetworkInUse { .. } | Error::NoSuchNetwork(_)) => {}
                gone => removed.push(gone?),
            }
        }
        Ok(removed)
    }

    /// The places that running containers have on a network.
    pub(crate) fn endpoints_on(&self, network: &str) -> Result<Vec<(String, Endpoint)>> {
        let mut found = Vec::new();
        for id in directories(&self.root().run().join("containers"))? {
            // A damaged file of one container must not hide the others.
            let Ok(endpoints) = endpoints(self, &id) else { continue };
            let on_it = endpoints.into_iter().filter(|endpoint| endpoint.network.name == network);
            found.extend(on_it.map(|endpoint| (id.clone(), endpoint)));
        }
        // Who is on its way out has no record.
        found.retain(|(id, _)| self.root().container_dir(id).exists());
        Ok(found)
    }
}

fn describe(network: &NetworkRecord, containers: Map<String, Value>) -> Value {
    let config = |pool: &hull_network::pool::Pool| {
        let mut config = json!({ "Subnet": pool.subnet(), "Gateway": pool.gateway() });
        if pool.range() != pool.subnet() {
            config["IPRange"] = json!(pool.range());
        }
        config
    };
    json!({
        "Name": network.name,
        "Id": network.id,
        "Created": network.created,
        "Scope": "local",
        "Driver": network.driver.name(),
        "EnableIPv4": true,
        "EnableIPv6": network.has_ipv6(),
        "IPAM": {
            "Driver": "default",
            "Options": {},
            "Config": network.pools.iter().map(config).collect::<Vec<_>>(),
        },
        "Internal": network.internal,
        "Attachable": false,
        "Ingress": false,
        "ConfigFrom": { "Network": "" },
        "ConfigOnly": false,
        "Containers": containers,
        "Options": network.options,
        "Labels": network.labels,
        "Bridge": network.link,
    })
}

/// docker's networks that are none.
fn special(name: &str) -> Option<Value> {
    let driver = match name {
        "host" => "host",
        "none" => "null",
        _ => return None,
    };
    Some(json!({
        "Name": name,
        "Id": special_id(name),
        "Created": "0001-01-01T00:00:00Z",
        "Scope": "local",
        "Driver": driver,
        "EnableIPv4": true,
        "EnableIPv6": false,
        "IPAM": { "Driver": "default", "Options": null, "Config": [] },
        "Internal": false,
        "Attachable": false,
        "Ingress": false,
        "ConfigFrom": { "Network": "" },
        "ConfigOnly": false,
        "Containers": {},
        "Options": {},
        "Labels": {},
    }))
}

/// The same everywhere: they are no objects of this root.
fn special_id(name: &str) -> String {
    let digits: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{digits:0<64}")
}
