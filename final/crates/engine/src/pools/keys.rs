//! The keys of pools, and the values that they take.

use std::collections::BTreeMap;
use std::path::Path;

use hull_lxd::size;
use hull_storage::pools::image::FileSystem;

use super::record::Driver;
use crate::error::{Error, IoContext, Result};

/// The bounds of LXD's default size of an image file, which is a fifth of the free space.
pub(super) const SIZE_BOUNDS: (u64, u64) = (1 << 30, 30 << 30);

pub(super) fn check_keys(driver: Driver, config: &BTreeMap<String, String>) -> Result<()> {
    let known: &[&str] = match driver {
        Driver::Dir | Driver::Btrfs => &["source"],
        Driver::Image => &["source", "size", "fs"],
    };
    // A pool of the driver btrfs without a source becomes an image, which takes these keys.
    let known = if driver == Driver::Btrfs { &["source", "size", "fs"] } else { known };
    for (key, value) in config {
        if !key.starts_with("user.") && !known.contains(&key.as_str()) {
            let error = hull_lxd::Error::unknown("key of a storage pool", key, known.iter().copied());
            return Err(Error::Invalid {
                what: format!("configuration of the driver {}", driver.name()),
                why: error.to_string(),
            });
        }
        if key == "size" {
            parse_size(value)?;
        }
    }
    Ok(())
}

pub(super) fn parse_size(text: &str) -> Result<u64> {
    size::bytes(text).map_err(|why| Error::Invalid { what: format!("size {text:?}"), why })
}

pub(super) fn file_system(name: &str) -> Result<FileSystem> {
    match name {
        "xfs" => Ok(FileSystem::Xfs),
        "btrfs" => Ok(FileSystem::Btrfs),
        _ => Err(invalid("fs", "an image has xfs or btrfs, which grow while they are mounted")),
    }
}

pub(super) fn default_size(source: &Path) -> Result<u64> {
    let place = source.parent().unwrap_or(source);
    let stat = rustix::fs::statvfs(place).context(|| format!("look at {}", place.display()))?;
    Ok((stat.f_bavail.saturating_mul(stat.f_frsize) / 5).clamp(SIZE_BOUNDS.0, SIZE_BOUNDS.1))
}

pub(super) fn invalid(key: &str, why: &str) -> Error {
    Error::Invalid { what: format!("key {key}"), why: why.to_owned() }
}
