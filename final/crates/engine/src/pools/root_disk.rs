//! The disk device of the root: in which pool a container's files are to be, and how large they may get.

use hull_lxd::expand::Settings;
use hull_lxd::{Device, Devices};

use super::keys::parse_size;
use crate::error::Result;
use crate::records::options::{CreateOptions, StorageOptions};

/// The name of the disk device of the root, which says in which pool the container's files are to be.
pub(crate) fn name(devices: &Devices) -> Option<&String> {
    devices.iter().find(|(_, device)| is_root(device)).map(|(name, _)| name)
}

fn is_root(device: &Device) -> bool {
    let has = |key: &str, value: &str| device.get(key).is_some_and(|found| found == value);
    has("type", "disk") && has("path", "/")
}

/// The value of a key of the root's disk device. An empty value counts as unset.
pub(super) fn key<'a>(settings: &'a Settings, key: &str) -> Option<&'a str> {
    let disk = settings.devices.values().find(|device| is_root(device))?;
    disk.get(key).map(String::as_str).filter(|value| !value.is_empty())
}

/// What is asked for a new container's files: by its options, or else by its disk device.
pub(super) fn asked(options: &CreateOptions) -> Result<StorageOptions> {
    let mut asked = options.storage.clone();
    let settings = &options.instance.expanded;
    asked.pool = asked.pool.or_else(|| key(settings, "pool").map(str::to_owned));
    if asked.size.is_none() {
        asked.size = key(settings, "size").map(parse_size).transpose()?;
    }
    Ok(asked)
}
