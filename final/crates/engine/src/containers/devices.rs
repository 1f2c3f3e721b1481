//! `device`: changing the LXD devices of a container. `storage volume attach` and `network attach` add such devices,
//! too.

use std::collections::BTreeMap;

use hull_lxd::{Device, Devices};

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::instance::Applied;
use crate::records::instance::Instance;

impl Engine {
    /// The container's own devices.
    pub fn own_devices(&self, container: &str) -> Result<Devices> {
        Ok(self.find(container)?.instance.devices)
    }

    /// Adds a device.
    pub fn add_device(&self, container: &str, name: &str, device: Device) -> Result<Applied> {
        self.reconfigure(container, |instance| match instance.devices.contains_key(name) {
            true => Err(invalid(name, format!("container {container} has it already"))),
            false => {
                instance.devices.insert(name.to_owned(), device);
                Ok(())
            }
        })
    }

    /// Removes devices of the container's own: all that are named, or none.
    pub fn remove_devices(&self, container: &str, names: &[String]) -> Result<Applied> {
        self.reconfigure(container, |instance| {
            for name in names {
                own(instance, container, name)?;
                instance.devices.remove(name);
            }
            Ok(())
        })
    }

    /// Sets keys of a device of the container's own. An empty value unsets its key.
    pub fn set_device(
        &self,
        container: &str,
        name: &str,
        keys: &BTreeMap<String, String>,
    ) -> Result<Applied> {
        self.reconfigure(container, |instance| {
            merge(own(instance, container, name)?, keys);
            Ok(())
        })
    }

    /// Makes a device of a profile one of the container's own, and sets keys of this copy.
    pub fn override_device(
        &self,
        container: &str,
        name: &str,
        keys: &BTreeMap<String, String>,
    ) -> Result<Applied> {
        self.reconfigure(container, |instance| {
            if instance.devices.contains_key(name) {
                return Err(invalid(name, "it is the container's own already: hull device set changes it"));
            }
            let mut device = instance
                .expanded
                .devices
                .get(name)
                .cloned()
                .ok_or_else(|| invalid(name, format!("no profile of container {container} has it")))?;
            merge(&mut device, keys);
            instance.devices.insert(name.to_owned(), device);
            Ok(())
        })
    }

    /// Mounts a volume of a pool in a container.
    pub fn attach_volume(
        &self,
        container: &str,
        device: &str,
        (pool, volume): (&str, &str),
        path: &str,
    ) -> Result<Applied> {
        self.pool_volume(pool, volume)?;
        let keys = [("type", "disk"), ("pool", pool), ("source", volume), ("path", path)];
        self.add_device(container, device, keys.map(|(key, value)| (key.into(), value.into())).into())
    }

    /// Takes a volume from a container. Without the name of a device, the one device with this volume is removed.
    pub fn detach_volume(
        &self,
        container: &str,
        device: Option<&str>,
        (pool, volume): (&str, &str),
    ) -> Result<Applied> {
        let keys = [("type", "disk"), ("pool", pool), ("source", volume)];
        let what = format!("volume {pool}/{volume}");
        match self.device_with(container, device, &keys, &what)? {
            Some(device) => self.remove_devices(container, &[device]),
            None => Err(Error::Invalid { what, why: format!("container {container} has no device with it") }),
        }
    }

    /// Connects a container to a network.
    pub fn attach_network(
        &self,
        container: &str,
        device: &str,
        network: &str,
        interface: Option<&str>,
    ) -> Result<Applied> {
        let mut keys = vec![("type", "nic"), ("network", network)];
        keys.extend(interface.map(|name| ("name", name)));
        let keys = keys.into_iter().map(|(key, value)| (key.into(), value.into()));
        self.add_device(container, device, keys.collect())
    }

    /// Disconnects a container from a network. `None` if no device of the container's own connects it.
    pub fn detach_network(
        &self,
        container: &str,
        device: Option<&str>,
        network: &str,
    ) -> Result<Option<Applied>> {
        let keys = [("type", "nic"), ("network", network)];
        match self.device_with(container, device, &keys, &format!("network {network}"))? {
            Some(device) => self.remove_devices(container, &[device]).map(Some),
            None => Ok(None),
        }
    }

    /// The one device of the container's own with these keys. Fails if there are several.
    fn device_with(
        &self,
        container: &str,
        device: Option<&str>,
        keys: &[(&str, &str)],
        what: &str,
    ) -> Result<Option<String>> {
        let devices = self.own_devices(container)?;
        let fits = |name: &str, own: &Device| {
            device.is_none_or(|device| device == name)
                && keys.iter().all(|(key, value)| own.get(*key).is_some_and(|found| found == value))
        };
        let mut found = devices.iter().filter(|(name, own)| fits(name, own)).map(|(name, _)| name.clone());
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => {
                let why = format!("container {container} has several devices with it: name one");
                Err(Error::Invalid { what: what.into(), why })
            }
            (one, _) => Ok(one),
        }
    }
}

fn own<'a>(instance: &'a mut Instance, container: &str, name: &str) -> Result<&'a mut Device> {
    let why = match instance.expanded.devices.contains_key(name) {
        true => format!("a profile of container {container} has it: hull device override makes it its own"),
        false => format!("container {container} has no such device"),
    };
    instance.devices.get_mut(name).ok_or_else(|| invalid(name, why))
}

fn merge(device: &mut Device, keys: &BTreeMap<String, String>) {
    for (key, value) in keys {
        match value.is_empty() {
            true => drop(device.remove(key)),
            false => drop(device.insert(key.clone(), value.clone())),
        }
    }
}

fn invalid(name: &str, why: impl Into<String>) -> Error {
    Error::Invalid { what: format!("device {name}"), why: why.into() }
}
