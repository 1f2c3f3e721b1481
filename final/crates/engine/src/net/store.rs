//! The records of networks, and their locks.
//!
//! ```text
//! <data>/networks/<name>.json          a network that a user has created
//! <data>/networks.lock                 held while a network is created, so that no two choose the same subnet
//! <run>/networks/bridge/network.json   the default network: its subnet is chosen when its bridge is made
//! <run>/networks/<name>/use.lock       shared while a container allocates an endpoint; exclusive while the network or its
//!                                      bridge is made or removed
//! ```

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use hull_storage::directory::make_dirs;
use hull_storage::file;
use hull_storage::lock::Lock;
use hull_storage::root::Root;

use super::endpoint::{Endpoint, endpoints};
use super::record::{DEFAULT, NetworkRecord};
use crate::error::{Error, IoContext, Result};
use crate::records::find::directories;

/// Loads a network by its name. `None` if there is none, and for a default network that nobody has used yet.
pub(super) fn load(root: &Root, name: &str) -> Result<Option<NetworkRecord>> {
    if !hull_storage::names::is_valid_short(name) {
        return Ok(None);
    }
    let path = record_file(root, name);
    let record = file::read_json::<NetworkRecord>(&path).and_then(|record| match record {
        // The network's leases, lock and record are found, and removed, by this name.
        Some(record) if record.name != name => {
            let source = serde::de::Error::custom(format!("it is of a network named {:?}", record.name));
            Err(hull_storage::Error::Damaged { path, source })
        }
        record => Ok(record),
    });
    match record {
        // The default network holds nothing of its user's: it is chosen again, with the addresses that its bridge has.
        Err(hull_storage::Error::Damaged { .. }) if name == DEFAULT => Ok(None),
        record => Ok(record?),
    }
}

pub(super) fn store(root: &Root, network: &NetworkRecord) -> Result<()> {
    Ok(file::write_json_atomic(&record_file(root, &network.name), network)?)
}

/// All networks whose records can be read, by name. The default one is among them once it has been used.
pub(super) fn all(root: &Root) -> Result<Vec<NetworkRecord>> {
    Ok(records(root)?.into_values().filter_map(Result::ok).collect())
}

/// Every network's record, or why it cannot be read.
pub(super) fn records(root: &Root) -> Result<BTreeMap<String, Result<NetworkRecord>>> {
    let directory = records_dir(root);
    let entries = match std::fs::read_dir(&directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        entries => Some(entries.context(|| format!("read {}", directory.display()))?),
    };
    let names = entries.into_iter().flatten().flatten().filter_map(|entry| {
        // Other files in the directory are temporary files of commands that are writing a record.
        Some(entry.file_name().to_str()?.strip_suffix(".json")?.to_owned())
    });
    let names = names.filter(|name| hull_storage::names::is_valid_short(name) && name != DEFAULT);
    let record = |name: String| Some((name.clone(), load(root, &name).transpose()?));
    Ok(names.chain([DEFAULT.to_owned()]).filter_map(record).collect())
}

/// The name of the network with this bridge, if hull made it.
pub(crate) fn of_bridge(root: &Root, link: &str) -> Result<Option<String>> {
    let is_its = |network: &NetworkRecord| network.driver().has_bridge() && network.link == link;
    Ok(all(root)?.into_iter().find(is_its).map(|network| network.name))
}

/// Finds a network by its name, its id or the beginning of its id.
pub(crate) fn find(root: &Root, name_or_id: &str) -> Result<NetworkRecord> {
    if let Some(network) = load(root, name_or_id)? {
        return Ok(network);
    }
    let is_id = !name_or_id.is_empty() && name_or_id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut found: Vec<_> = match is_id {
        true => all(root)?.into_iter().filter(|network| network.id.starts_with(name_or_id)).collect(),
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

/// Fails if `--network NAME` names no network. The default network need not have been made yet.
pub(super) fn check_exists(root: &Root, name: &str) -> Result<()> {
    match name == DEFAULT || load(root, name)?.is_some() {
        true => Ok(()),
        false => Err(Error::NoSuchNetwork(name.to_owned())),
    }
}

/// The endpoints of running containers on a network, each with its container's id.
pub(super) fn endpoints_on(root: &Root, network: &str) -> Result<Vec<(String, Endpoint)>> {
    let mut found = Vec::new();
    for id in directories(&root.run().join("containers"))? {
        // A damaged file of one container must not hide the others.
        let Ok(endpoints) = endpoints(root, &id) else { continue };
        let on_it = endpoints.into_iter().filter(|endpoint| endpoint.network.name == network);
        found.extend(on_it.map(|endpoint| (id.clone(), endpoint)));
    }
    // A container that is being removed has no directory any more.
    found.retain(|(id, _)| root.container_dir(id).exists());
    Ok(found)
}

pub(super) fn records_dir(root: &Root) -> PathBuf {
    root.data().join("networks")
}

pub(super) fn run_dir(root: &Root, name: &str) -> PathBuf {
    root.run().join("networks").join(name)
}

pub(super) fn record_file(root: &Root, name: &str) -> PathBuf {
    match name {
        DEFAULT => run_dir(root, name).join("network.json"),
        _ => records_dir(root).join(format!("{name}.json")),
    }
}

/// Taken while a network is created: two commands at once would choose the same subnet.
pub(super) fn lock_creation(root: &Root) -> Result<Lock> {
    make_dirs(&records_dir(root), 0o710)?;
    Ok(Lock::exclusive(&root.data().join("networks.lock"))?)
}

/// Taken while a container allocates an endpoint, so that the network is not removed meanwhile.
pub(super) fn lock_shared(root: &Root, name: &str) -> Result<Lock> {
    lock(root, name, Lock::shared)
}

/// Taken while the network, or its bridge, is made or removed.
pub(super) fn lock_exclusive(root: &Root, name: &str) -> Result<Lock> {
    lock(root, name, Lock::exclusive)
}

fn lock(
    root: &Root,
    name: &str,
    take: impl Fn(&Path) -> std::result::Result<Lock, hull_storage::Error>,
) -> Result<Lock> {
    let directory = run_dir(root, name);
    loop {
        make_dirs(&directory, 0o710)?;
        match take(&directory.join("use.lock")) {
            // The last holder has removed the network and its directory.
            Err(hull_storage::Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {}
            other => return Ok(other?),
        }
    }
}
