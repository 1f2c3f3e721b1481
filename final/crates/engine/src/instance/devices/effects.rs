//! What devices become in a run: parts of a record and its options, each with the name of its device.

use std::path::Path;

use hull_lxd::expand::Settings;
use serde::{Deserialize, Serialize};

use super::nic::Connection;
use super::{Named, disk, gpu, nic, proxy, rates, unix};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::records::block_io::BlockIoOptions;
use crate::records::options::{NetworkMode, NetworkOption};
use crate::records::plugged::Plugged;
use crate::records::record::{MountRecord, Record};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Effects {
    pub mounts: Vec<MountRecord>,
    pub networks: Vec<NetworkOption>,
    pub plugged: Plugged,
    #[serde(default)]
    pub rates: BlockIoOptions,
}

/// The rates that belong to devices whose name fits.
fn rates_of(all: &BlockIoOptions, fits: impl Fn(&str) -> bool) -> BlockIoOptions {
    let mut found = BlockIoOptions { weight: None, weight_devices: vec![], ..all.clone() };
    for kind in found.rates() {
        kind.retain(|rate| rate.disk.as_ref().is_some_and(|disk| fits(&disk.device)));
    }
    found
}

impl Effects {
    /// The effects that the record has.
    pub(crate) fn of(record: &Record) -> Self {
        let mounts = record.mounts.iter().filter(|mount| mount.extras.device.is_some());
        let networks = record.options.networks.iter().filter(|network| network.device.is_some());
        Self {
            mounts: mounts.cloned().collect(),
            networks: networks.cloned().collect(),
            plugged: record.options.plugged.clone(),
            rates: rates_of(&record.options.resources.block_io, |_| true),
        }
    }

    /// The effects of the devices in force. Fails if one of them is impossible. A device with the same keys in `before`
    /// keeps its effects, even if its source is gone by now.
    pub(crate) fn plan(engine: &Engine, record: &Record, before: &Settings) -> Result<Self> {
        let old = Self::of(record);
        let mut effects = Self::default();
        for (name, keys) in record.instance.expanded.active_devices() {
            match before.active_devices().any(|one| one == (name, keys)) {
                true => effects.keep(&old, name),
                false => effects.add(engine, record, &Named { name, keys })?,
            }
        }
        effects.check(record)?;
        Ok(effects)
    }

    fn keep(&mut self, old: &Self, name: &str) {
        let is_its = |device: &Option<String>| device.as_deref() == Some(name);
        let mut old_rates = rates_of(&old.rates, |device| device == name);
        self.mounts.extend(old.mounts.iter().filter(|mount| is_its(&mount.extras.device)).cloned());
        self.networks.extend(old.networks.iter().filter(|network| is_its(&network.device)).cloned());
        let (own, old) = (&mut self.plugged, &old.plugged);
        for (own, old) in self.rates.rates().into_iter().zip(old_rates.rates()) {
            own.append(old);
        }
        own.nics.extend(old.nics.iter().filter(|nic| nic.device == name).cloned());
        own.proxies.extend(old.proxies.iter().filter(|proxy| proxy.device == name).cloned());
        own.ports.extend(old.ports.iter().filter(|(device, _)| device == name).cloned());
        own.cdi.extend(old.cdi.iter().filter(|(device, _)| device == name).cloned());
    }

    fn add(&mut self, engine: &Engine, record: &Record, device: &Named<'_>) -> Result<()> {
        match device.need("type")? {
            "disk" => {
                self.mounts.extend(disk::plan(engine, device)?);
                rates::plan(engine, record, device, &mut self.rates)?;
            }
            "unix-char" => self.mounts.push(unix::plan(device, false)?),
            "unix-block" => self.mounts.push(unix::plan(device, true)?),
            "nic" => match nic::plan(engine, record, device)? {
                Connection::Network(option) => self.networks.push(option),
                Connection::Link(link) => self.plugged.nics.push(link),
            },
            "proxy" => proxy::plan(device, &mut self.plugged)?,
            "gpu" => self.plugged.cdi.push((device.name.to_owned(), gpu::plan(engine, device)?)),
            other => return Err(device.unsupported(&format!("hull has no devices of type {other}"))),
        }
        Ok(())
    }

    /// Refuses two devices with the same mount point, the same name of a link or the same network.
    fn check(&self, record: &Record) -> Result<()> {
        let invalid =
            |device: &str, why: String| Err(Error::Invalid { what: format!("device {device}"), why });
        let own = record.mounts.iter().filter(|mount| mount.extras.device.is_none());
        let mut taken: Vec<&Path> = own.map(|mount| mount.destination.as_path()).collect();
        for mount in &self.mounts {
            if taken.contains(&mount.destination.as_path()) {
                let why = format!("something else is mounted at {}", mount.destination.display());
                return invalid(mount.extras.device.as_deref().unwrap_or_default(), why);
            }
            taken.push(&mount.destination);
        }
        let own = record.options.networks.iter().filter(|network| network.device.is_none());
        let mut names: Vec<&str> = own.clone().filter_map(NetworkOption::interface).collect();
        let mut networks: Vec<&str> = own.map(|network| network.network.as_str()).collect();
        for network in &self.networks {
            let device = network.device.as_deref().unwrap_or_default();
            if networks.contains(&network.network.as_str()) {
                return invalid(device, format!("the container is on network {} already", network.network));
            }
            networks.push(&network.network);
        }
        let of_networks = self.networks.iter().map(|one| (one.device.as_deref(), one.interface()));
        let of_links =
            self.plugged.nics.iter().map(|one| (Some(one.device.as_str()), Some(one.name.as_str())));
        for (device, name) in of_networks.chain(of_links) {
            let name = name.unwrap_or_default();
            if names.contains(&name) {
                return invalid(device.unwrap_or_default(), format!("another link is called {name}"));
            }
            names.push(name);
        }
        Ok(())
    }

    /// Replaces the record's effects by these.
    pub(crate) fn put(&self, record: &mut Record) {
        record.mounts.retain(|mount| mount.extras.device.is_none());
        record.mounts.extend(self.mounts.iter().cloned());
        let networks = &mut record.options.networks;
        // The order says which network has the default route, so those that stay keep their places.
        networks.retain(|network| network.device.is_none() || self.networks.contains(network));
        for network in &self.networks {
            if !networks.contains(network) {
                networks.push(network.clone());
            }
        }
        if !networks.is_empty() && record.options.network == NetworkMode::None {
            record.options.network = NetworkMode::Networks;
        }
        record.options.plugged = self.plugged.clone();
        let mut rates = self.rates.clone();
        for (all, own) in record.options.resources.block_io.rates().into_iter().zip(rates.rates()) {
            all.retain(|rate| rate.disk.is_none());
            all.append(own);
        }
    }
}
