//! The verbs of a container's configuration.

use hull_lxd::document;

use super::apply::{Applied, apply};
use super::pending;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::records::instance::Instance;

impl Engine {
    /// Changes a container's own keys, devices and profiles. All that follows from that is done, or nothing.
    pub fn reconfigure(&self, name: &str, edit: impl FnOnce(&mut Instance) -> Result<()>) -> Result<Applied> {
        let profiles = pending::shared(self)?;
        let id = self.resolve(name)?;
        apply(self, &profiles, &id, edit).map_err(|error| error.for_container(name))
    }

    /// A container's document: its own settings, or with `expanded` all settings in force.
    pub fn instance(&self, name: &str, expanded: bool) -> Result<document::Instance> {
        let record = self.find(name)?;
        Ok(document::Instance {
            architecture: std::env::consts::ARCH.into(),
            description: record.instance.description.clone(),
            settings: if expanded { record.instance.expanded.clone() } else { record.instance.own() },
            ephemeral: record.options.auto_remove,
            profiles: record.instance.profiles,
        })
    }

    /// Gives a container the settings of a changed document.
    pub fn replace_instance(&self, name: &str, new: document::Instance) -> Result<Applied> {
        if new.ephemeral != self.find(name)?.options.auto_remove {
            return Err(Error::Invalid {
                what: "document".into(),
                why: "ephemeral is chosen when a container is created, and cannot be changed".into(),
            });
        }
        self.reconfigure(name, |instance| {
            instance.config = new.settings.config;
            instance.devices = new.settings.devices;
            instance.profiles = new.profiles;
            instance.description = new.description;
            Ok(())
        })
    }
}
