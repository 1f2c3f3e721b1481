//! Limits of block I/O, by the paths of devices. Their numbers are looked up at each start, because a device may have
//! another one after a reboot.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlockIoOptions {
    /// 10 to 1000.
    pub weight: Option<u16>,
    pub weight_devices: Vec<DeviceWeight>,
    /// Bytes in a second.
    pub read_bps: Vec<DeviceRate>,
    pub write_bps: Vec<DeviceRate>,
    /// Operations in a second.
    pub read_iops: Vec<DeviceRate>,
    pub write_iops: Vec<DeviceRate>,
}

impl BlockIoOptions {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The lists of rates, one of each kind.
    pub(crate) fn rates(&mut self) -> [&mut Vec<DeviceRate>; 4] {
        [&mut self.read_bps, &mut self.write_bps, &mut self.read_iops, &mut self.write_iops]
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceWeight {
    pub path: PathBuf,
    pub weight: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRate {
    pub path: PathBuf,
    pub rate: u64,
    /// Set for the limit of an LXD disk device. Then `path` is the device's source, and the disk that it is on is
    /// limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<LimitedDisk>,
}

/// The disk that the source of a disk device was on when the limit was set. It is used when the source is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitedDisk {
    pub device: String,
    pub numbers: (u32, u32),
}
