//! Where the sources of mounts are made, and where each mount's source is.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, StatxAttributes, StatxFlags};

use crate::engine::Engine;
use crate::error::{IoContext, Result};
use crate::records::record::{MountRecord, Record};

pub(super) fn directory(engine: &Engine, record: &Record) -> PathBuf {
    engine.root().container_run_dir(&record.id).join("sources")
}

pub(super) fn driver_path(engine: &Engine, record: &Record, index: usize) -> PathBuf {
    directory(engine, record).join(format!("{}.volume", name(&record.mounts[index], index)))
}

/// The file name of a mount's source: the number of the mount, or the name of its device. Devices are added and removed
/// while the container runs, which changes the numbers of their mounts.
fn name(mount: &MountRecord, index: usize) -> String {
    match &mount.extras.device {
        Some(device) => format!("device.{}", file_name(device)),
        None => index.to_string(),
    }
}

/// The name of a device as a file name. No device has a `%` in its name.
fn file_name(device: &str) -> String {
    device.replace('/', "%")
}

/// The directory in which the device nodes of a container are made.
pub(super) fn nodes_directory(engine: &Engine, record: &Record) -> PathBuf {
    engine.root().container_run_dir(&record.id).join("nodes")
}

pub(crate) fn node_path(engine: &Engine, record: &Record, mount: &MountRecord) -> PathBuf {
    let device = mount.extras.device.as_deref().unwrap_or("node");
    nodes_directory(engine, record).join(file_name(device))
}

/// The path that is bound for the mount `index` of the record.
pub(crate) fn path(engine: &Engine, record: &Record, index: usize) -> PathBuf {
    let mount = &record.mounts[index];
    match &mount.extras {
        extras if extras.node.is_some() => node_path(engine, record, mount),
        extras
            if extras.subpath.is_some()
                || extras.overlay
                || extras.handed.is_some()
                || !extras.layers.is_empty() =>
        {
            directory(engine, record).join(name(mount, index))
        }
        extras if extras.has_driver_mount || extras.block.is_some() => driver_path(engine, record, index),
        _ => mount.source.clone(),
    }
}

pub(super) fn make_directory(path: &Path) -> Result<OwnedFd> {
    hull_storage::directory::make_dirs(path, 0o755)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).context(|| format!("open {}", path.display()))
}

/// Whether something is mounted at the path.
pub(super) fn is_mount(path: &Path) -> bool {
    let stat = rustix::fs::statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::TYPE);
    stat.is_ok_and(|stat| stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

pub(super) fn is_directory(file: &OwnedFd) -> rustix::io::Result<bool> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(file)?.st_mode).is_dir())
}
