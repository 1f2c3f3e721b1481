//! `limits.read`, `limits.write` and `limits.max` of a disk device: how much the container reads and writes per second
//! on the disk of the source.
//!
//! For a cgroup the kernel limits a whole disk, not a directory. So a limit holds for everything that the container
//! does on that disk, and a container can have only one limit of each kind for a disk. cgroup v1 limits only writes
//! that are not buffered.

use std::path::{Path, PathBuf};

use hull_lxd::size::{DiskRate, disk_rate};
use hull_storage::backing;

use super::Named;
use crate::engine::Engine;
use crate::error::Result;
use crate::records::block_io::{BlockIoOptions, DeviceRate, LimitedDisk};
use crate::records::record::Record;

pub(super) fn plan(
    engine: &Engine,
    record: &Record,
    device: &Named<'_>,
    all: &mut BlockIoOptions,
) -> Result<()> {
    let max = device.parsed("limits.max", disk_rate)?;
    let read = max.or(device.parsed("limits.read", disk_rate)?);
    let write = max.or(device.parsed("limits.write", disk_rate)?);
    if read.is_none() && write.is_none() {
        return Ok(());
    }
    let path = source(engine, record, device)?;
    let numbers = backing::disk_of(&path).map_err(|error| {
        device.unsupported(&format!("the disk of {} cannot be limited: {error}", path.display()))
    })?;
    let disk = LimitedDisk { device: device.name.to_owned(), numbers };
    let limited = |rate| DeviceRate { path: path.clone(), rate, disk: Some(disk.clone()) };
    let [read_bps, write_bps, read_iops, write_iops] = all.rates();
    for (asked, bytes, operations) in [(read, read_bps, read_iops), (write, write_bps, write_iops)] {
        let (kind, rate) = match asked {
            None => continue,
            Some(DiskRate::Bytes(rate)) => (bytes, rate),
            Some(DiskRate::Operations(rate)) => (operations, rate),
        };
        if rate == 0 {
            return Err(device.invalid("a limit is more than 0"));
        }
        let other = kind.iter().filter_map(|rate| rate.disk.as_ref()).find(|other| other.numbers == numbers);
        if let Some(other) = other {
            let why = format!("device {} is on the same disk, which has one limit of a kind", other.device);
            return Err(device.invalid(why));
        }
        kind.push(limited(rate));
    }
    Ok(())
}

/// The path by which the disk is found. For the root's disk device it is the directory with the container's own files.
fn source(engine: &Engine, record: &Record, device: &Named<'_>) -> Result<PathBuf> {
    if device.get("path") == Some("/") {
        return Ok(match &record.writable.pool {
            Some(pool) => pool.directory.clone(),
            None => engine.root().data().to_owned(),
        });
    }
    match device.get("pool") {
        None => Ok(Path::new(device.need("source")?).to_owned()),
        Some(pool) => engine.pool_volume_source(pool, device.need("source")?),
    }
}
