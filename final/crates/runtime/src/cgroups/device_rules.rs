//! Changing the device rules of a cgroup that exists, on v1 and v2.

use super::files::Error;
use super::layout::{Layout, find};
use super::members::subtree;
use super::{Cgroup, Result, devices, v1};
use crate::spec::DeviceRule;

impl Cgroup {
    /// Gives an existing cgroup the rules `whole`. `removed` are the rules that it had before and `whole` lacks.
    pub fn change_device_rules(&self, removed: &[DeviceRule], whole: &[DeviceRule]) -> Result<()> {
        let hierarchies = match &self.layout {
            Layout::V2 { mount } => return devices::attach(&mount.join(&self.path), whole),
            Layout::V1 { hierarchies, .. } => hierarchies,
        };
        let hierarchy = find(hierarchies, "devices").ok_or(Error::NoController("devices"))?;
        let top = hierarchy.mount.join(&self.path);
        let denied: Vec<DeviceRule> =
            removed.iter().map(|rule| DeviceRule { allow: false, ..rule.clone() }).collect();
        v1::limit_devices(&top, &denied)?;
        let allowed: Vec<DeviceRule> = whole.iter().filter(|rule| rule.allow).cloned().collect();
        // A rule that denies also acts on the cgroups below, but a rule that allows acts only on the cgroup to which it
        // is written (devices.rst, "Hierarchy"). A cgroup can allow only what the one above it allows, so the order is
        // from the top down.
        for directory in subtree(top.clone()) {
            match v1::limit_devices(&directory, &allowed) {
                // The cgroup has been removed meanwhile.
                Err(_) if directory != top && !directory.exists() => {}
                limited => limited?,
            }
        }
        Ok(())
    }
}
