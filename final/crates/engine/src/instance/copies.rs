//! The configuration of a container that is made from another one, or from an archive.

use hull_lxd::{Config, Devices};

use super::devices::effects::Effects;
use super::profiles::Lock;
use super::{apply, identity, keys, pending};
use crate::engine::Engine;
use crate::error::Result;
use crate::records::instance::Instance;
use crate::records::record::Record;

/// The settings in which the new container differs from its original.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstanceChanges {
    /// Keys. An empty value removes a key.
    pub config: Config,
    /// Keys of devices. A device of a profile that is changed becomes one of the container's own.
    pub devices: Devices,
    /// Profiles that replace the original's.
    pub profiles: Option<Vec<String>>,
}

impl InstanceChanges {
    fn put(&self, instance: &mut Instance, profiles: &Lock<'_>) -> Result<()> {
        for (key, value) in &self.config {
            match value.is_empty() {
                true => instance.config.remove(key),
                false => instance.config.insert(key.clone(), value.clone()),
            };
        }
        if let Some(names) = &self.profiles {
            instance.profiles = names.clone();
        }
        let inherited = profiles.expand(instance)?;
        for (name, keys) in &self.devices {
            let own = instance.devices.entry(name.clone());
            let device = own.or_insert_with(|| inherited.devices.get(name).cloned().unwrap_or_default());
            device.extend(keys.clone());
            device.retain(|_, value| !value.is_empty());
        }
        Ok(())
    }
}

impl Engine {
    /// Changes the settings of a container that exists.
    pub fn change_instance(&self, name: &str, changes: &InstanceChanges) -> Result<()> {
        if *changes == InstanceChanges::default() {
            return Ok(());
        }
        let profiles = pending::shared(self)?;
        let id = self.resolve(name)?;
        let applied = apply::apply(self, &profiles, &id, |instance| changes.put(instance, &profiles));
        applied.map(drop).map_err(|error| error.for_container(name))
    }

    /// Locks the profiles. They do not change until the lock is dropped.
    pub(crate) fn hold_profiles(&self) -> Result<Lock<'_>> {
        pending::shared(self)
    }

    /// Puts the settings of a new container in force, whose record is a copy of its original's. Its links get addresses
    /// of their own.
    pub(crate) fn configure_copy(
        &self,
        profiles: &Lock<'_>,
        record: &mut Record,
        changes: &InstanceChanges,
    ) -> Result<()> {
        if record.instance.is_default() && *changes == InstanceChanges::default() {
            return Ok(());
        }
        let mut before = record.instance.expanded.clone();
        changes.put(&mut record.instance, profiles)?;
        keys::check(&record.instance.own())?;
        record.instance.expanded = profiles.expand(&record.instance)?;
        let after = record.instance.expanded.config.clone();
        keys::put(self, None, &before.config, &after, &mut record.options)?;
        let is_system = record.options.system;
        if record.instance.has_outdated_ids || identity::differs(&before.config, &after, is_system) {
            identity::replace(&after, &mut record.options)?;
            record.instance.has_outdated_ids = false;
        }
        apply::mount_nested(self, record)?;
        record.options.plugged.nics.clear();
        before.devices.retain(|_, device| device.get("type").is_none_or(|kind| kind != "nic"));
        Effects::plan(self, record, &before)?.put(record);
        Ok(())
    }
}
