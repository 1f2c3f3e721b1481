//! Where the sources of mounts are made, and where each mount's source is.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};

use crate::engine::Engine;
use crate::error::{IoContext, Result};
use crate::records::record::Record;

pub(super) fn directory(engine: &Engine, record: &Record) -> PathBuf {
    engine.root().container_run_dir(&record.id).join("sources")
}

pub(super) fn driver_path(engine: &Engine, record: &Record, index: usize) -> PathBuf {
    directory(engine, record).join(format!("{index}.volume"))
}

/// The path that is bound for the mount `index` of the record.
pub(crate) fn path(engine: &Engine, record: &Record, index: usize) -> PathBuf {
    let mount = &record.mounts[index];
    match &mount.extras {
        extras
            if extras.subpath.is_some()
                || extras.overlay
                || extras.handed.is_some()
                || !extras.layers.is_empty() =>
        {
            directory(engine, record).join(index.to_string())
        }
        extras if extras.has_driver_mount => driver_path(engine, record, index),
        _ => mount.source.clone(),
    }
}

pub(super) fn make_directory(path: &Path) -> Result<OwnedFd> {
    hull_storage::directory::make_dirs(path, 0o755)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).context(|| format!("open {}", path.display()))
}

pub(super) fn is_directory(file: &OwnedFd) -> rustix::io::Result<bool> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(file)?.st_mode).is_dir())
}
