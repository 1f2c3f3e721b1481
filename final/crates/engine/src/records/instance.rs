//! A container's configuration in LXD's words: keys, devices and profiles. The record has it beside docker's options.
//!
//! The options of the record are always those in force: a change of a key, a device or a profile changes the options,
//! too ([`crate::instance`]). The configuration says from which keys, devices and profiles they follow.

use hull_lxd::expand::Settings;
use hull_lxd::{Config, Devices};
use serde::{Deserialize, Serialize};

/// Settings in LXD's words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Instance {
    /// The container's own keys: `limits.memory`, `user.note`…
    pub config: Config,
    /// The container's own devices.
    pub devices: Devices,
    /// Profiles; a later one overrides an earlier one, and the container's own settings override them all.
    pub profiles: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The keys and devices in force: those of the profiles and the container's own. The engine keeps it up to date.
    #[serde(skip_serializing_if = "is_empty")]
    pub expanded: Settings,
    /// Keys that choose the container's ids have changed. Its next start gives it other ids.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) has_outdated_ids: bool,
}

fn is_empty(settings: &Settings) -> bool {
    *settings == Settings::default()
}

impl Instance {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The keys and devices that are the container's own.
    pub fn own(&self) -> Settings {
        Settings { config: self.config.clone(), devices: self.devices.clone() }
    }

    /// A key in force.
    pub fn key(&self, name: &str) -> Option<&str> {
        self.expanded.config.get(name).map(String::as_str)
    }

    /// Whether a boolean key in force is set to true.
    pub fn flag(&self, name: &str) -> bool {
        self.key(name).is_some_and(|text| hull_lxd::value::boolean(text) == Ok(true))
    }

    /// The variables of `environment.*`, as `NAME=VALUE`.
    pub(crate) fn environment(&self) -> Vec<String> {
        let variable = |(key, value): (&String, &String)| {
            key.strip_prefix("environment.").map(|name| format!("{name}={value}"))
        };
        self.expanded.config.iter().filter_map(variable).collect()
    }
}
