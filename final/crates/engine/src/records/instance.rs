//! What LXD calls an instance's configuration: keys, devices and profiles, beside the options that docker has.
//!
//! The options of the record are always those in force: a change of a key, a device or a profile changes them too
//! ([`crate::instance`]). What is kept here says where they came from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A device: its keys and their values, `type` among them.
pub type Device = BTreeMap<String, String>;

/// Settings in LXD's words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Instance {
    /// The container's own keys: `limits.memory`, `user.note`…
    pub config: BTreeMap<String, String>,
    /// The container's own devices.
    pub devices: BTreeMap<String, Device>,
    /// Profiles; a later one overrides an earlier one, and the container's own settings override them all.
    pub profiles: Vec<String>,
}

impl Instance {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
