//! `device`: LXD's devices of a container.

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

    /// Removes the container's own devices: all of them or none.
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

    /// Copies a profile's device to the container's own, and sets keys of the copy.
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
