//! Mount points that a step's container lacks. The runtime makes them, and they are removed after the step, as BuildKit
//! removes them, because a mount is in no layer.

use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Timestamps};

use crate::error::{IoContext, Result};

/// Mount points that were missing before the step.
#[derive(Debug)]
pub(crate) struct Stubs {
    root: OwnedFd,
    /// Below the root, without symlinks. What is in a directory comes before the directory.
    missing: Vec<PathBuf>,
}

impl Stubs {
    /// Looks for the mount points in the root that is mounted at `rootfs`.
    pub(crate) fn find<'a>(rootfs: &Path, mount_points: impl Iterator<Item = &'a Path>) -> Result<Self> {
        let context = || format!("open {}", rootfs.display());
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(rootfs, flags, Mode::empty()).context(context)?;
        let top = std::fs::read_link(hull_sys::fs::fd_path(&root)).context(context)?;
        let mut missing: Vec<PathBuf> = mount_points.flat_map(|path| missing(&root, &top, path)).collect();
        missing.sort_unstable_by(|a, b| b.cmp(a));
        missing.dedup();
        Ok(Self { root, missing })
    }

    /// Removes those that are there and empty. Called when no process of the step is left.
    pub(crate) fn remove(self) {
        for path in &self.missing {
            // Not empty: it belongs to the layer.
            let _ = self.remove_one(path);
        }
    }

    fn remove_one(&self, path: &Path) -> Result<(), nix::errno::Errno> {
        let errno = |error: rustix::io::Errno| nix::errno::Errno::from_raw(error.raw_os_error());
        let name = path.file_name().unwrap_or_default();
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // The step may have put a symlink in the place of a directory.
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let parent = hull_sys::fs::openat2(&self.root, parent, flags, Mode::empty(), resolve)?;
        let before = rustix::fs::fstat(&parent).map_err(errno)?;
        let found = rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW).map_err(errno)?;
        match FileType::from_raw_mode(found.st_mode) {
            FileType::Directory => rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR).map_err(errno)?,
            FileType::RegularFile if found.st_size == 0 => {
                rustix::fs::unlinkat(&parent, name, AtFlags::empty()).map_err(errno)?;
            }
            _ => return Ok(()),
        }
        let time = |tv_sec, tv_nsec: u64| rustix::fs::Timespec { tv_sec, tv_nsec: tv_nsec as i64 };
        let times = Timestamps {
            last_access: time(before.st_atime, before.st_atime_nsec),
            last_modification: time(before.st_mtime, before.st_mtime_nsec),
        };
        rustix::fs::futimens(&parent, &times).map_err(errno)
    }
}

/// The path and the directories above it that do not exist, deepest first.
fn missing(root: &OwnedFd, top: &Path, path: &Path) -> Vec<PathBuf> {
    let mut existing = PathBuf::from(".");
    let mut components = normal(path).into_iter();
    let mut missing = Vec::new();
    while let Some(name) = components.next() {
        let below = existing.join(&name);
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        match hull_sys::fs::openat2(root, &below, OFlags::PATH, Mode::empty(), resolve) {
            Ok(found) => match std::fs::read_link(hull_sys::fs::fd_path(&found)) {
                Ok(real) => existing = Path::new(".").join(real.strip_prefix(top).unwrap_or(&real)),
                Err(_) => return missing,
            },
            Err(_) => {
                let mut at = existing.strip_prefix(".").unwrap_or(&existing).join(&name);
                missing.insert(0, at.clone());
                for name in components.by_ref() {
                    at.push(name);
                    missing.insert(0, at.clone());
                }
            }
        }
    }
    missing
}

/// The names in the path, with `..` taken lexically.
fn normal(path: &Path) -> Vec<std::ffi::OsString> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name.to_owned()),
            Component::ParentDir => drop(names.pop()),
            _ => {}
        }
    }
    names
}
