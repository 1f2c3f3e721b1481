//! Files below /dev that are the mount points of devices.
//!
//! /dev is made anew at each start, and then has only what hull makes. So an empty file under the mount of a device was
//! made as its mount point, and is removed with the device. The exception is a file that existed when the device was
//! added to a running container; that is noted in the run directory. Outside /dev a mount point is one of the
//! container's files and stays, as in docker.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use hull_sys::fs::open_in_root;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};

use crate::engine::Engine;
use crate::error::{IoContext, Result};
use crate::records::record::{MountRecord, Record};

/// The mount point of a device. This is made before the container's mount namespace is entered.
pub(super) struct Point<'a> {
    mount: &'a MountRecord,
    run_dir: OwnedFd,
    note: PathBuf,
    is_own: bool,
}

impl<'a> Point<'a> {
    pub(super) fn of(engine: &Engine, record: &Record, mount: &'a MountRecord) -> Result<Self> {
        let directory = engine.root().container_run_dir(&record.id);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let run_dir = rustix::fs::open(&directory, flags, Mode::empty())
            .context(|| format!("open {}", directory.display()))?;
        let device = mount.extras.device.as_deref().unwrap_or_default();
        let path = &mount.destination;
        let mut others = record.mounts.iter().filter(|other| other.destination != *path);
        Ok(Self {
            mount,
            run_dir,
            // No device has a `%` in its name.
            note: format!("found.{}", device.replace('/', "%")).into(),
            is_own: path.starts_with("/dev") && !others.any(|other| path.starts_with(&other.destination)),
        })
    }

    /// Notes whether the mount point exists, before the mount is attached.
    pub(super) fn note(&self, root: &OwnedFd) -> Result<()> {
        let context = || format!("note the mount point {}", self.mount.destination.display());
        if open_in_root(root, &self.mount.destination, OFlags::PATH).is_err() {
            return self.forget();
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
        rustix::fs::openat(&self.run_dir, &self.note, flags, Mode::from_raw_mode(0o600)).context(context)?;
        Ok(())
    }

    fn forget(&self) -> Result<()> {
        match rustix::fs::unlinkat(&self.run_dir, &self.note, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(error).context(|| format!("remove {}", self.note.display())),
        }
    }

    /// Removes the mount point, after the mount was removed.
    pub(super) fn remove(&self, root: &OwnedFd) -> Result<()> {
        let was_there = rustix::fs::statat(&self.run_dir, &self.note, AtFlags::SYMLINK_NOFOLLOW).is_ok();
        if self.is_own && !was_there {
            // An error is ignored: the directory may be gone, and a file that stays does no harm.
            let _ = remove_file(root, &self.mount.destination);
        }
        self.forget()
    }
}

fn remove_file(root: &OwnedFd, path: &Path) -> std::io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    let directory = open_in_root(root, parent, OFlags::PATH | OFlags::DIRECTORY)?;
    let found = rustix::fs::statat(directory.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW)?;
    let is_file = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
    // The kernel refuses a file on which something is mounted (EBUSY).
    if is_file && found.st_size == 0 && found.st_nlink == 1 {
        rustix::fs::unlinkat(directory.as_fd(), name, AtFlags::empty())?;
    }
    Ok(())
}
