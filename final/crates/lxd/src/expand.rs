//! Combines profiles and a container's own settings into one set.

use serde::{Deserialize, Serialize};

use crate::{Config, Device, Devices};

/// Keys and devices: of a profile, of a container, or of both together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    pub config: Config,
    pub devices: Devices,
}

impl Settings {
    /// The devices that the container has. A device of the type `none` only hides a profile's device of the same name.
    pub fn active_devices(&self) -> impl Iterator<Item = (&str, &Device)> {
        let devices = self.devices.iter().map(|(name, device)| (name.as_str(), device));
        devices.filter(|(_, device)| device.get("type").is_none_or(|kind| kind != "none"))
    }
}

/// Combines sets of settings. A later set overrides an earlier one: its keys one by one, and its devices as a whole.
pub fn expand<'a>(sets: impl IntoIterator<Item = &'a Settings>) -> Settings {
    let mut all = Settings::default();
    for set in sets {
        all.config.extend(set.config.clone());
        all.devices.extend(set.devices.clone());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(config: &[(&str, &str)], devices: &[(&str, &[(&str, &str)])]) -> Settings {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        let devices = devices.iter().map(|(name, device)| ((*name).into(), map(device))).collect();
        Settings { config: map(config), devices }
    }

    #[test]
    fn the_container_overrides_its_profiles_in_their_order() {
        let first = settings(&[("a", "1"), ("b", "1")], &[("eth0", &[("type", "nic"), ("mtu", "9000")])]);
        let second = settings(&[("b", "2"), ("c", "2")], &[("eth0", &[("type", "nic")])]);
        let own = settings(&[("c", "3")], &[]);
        let all = expand([&first, &second, &own]);
        assert_eq!(all.config, settings(&[("a", "1"), ("b", "2"), ("c", "3")], &[]).config);
        assert!(!all.devices["eth0"].contains_key("mtu"), "devices are not merged");
    }

    #[test]
    fn none_hides_a_device() {
        let profile = settings(&[], &[("root", &[("type", "disk")]), ("eth0", &[("type", "nic")])]);
        let own = settings(&[], &[("eth0", &[("type", "none")])]);
        let all = expand([&profile, &own]);
        assert_eq!(all.active_devices().map(|(name, _)| name).collect::<Vec<_>>(), ["root"]);
        assert_eq!(all.devices.len(), 2);
    }
}
