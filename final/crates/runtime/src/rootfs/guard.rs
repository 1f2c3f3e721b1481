//! Checks what may be mounted on /proc and in it.
//!
//! Masks, read-only paths and every program inside rely on /proc being a procfs. So procfs and sysfs are mounted only on
//! directories that are reached through no symlink, because an image, or another container that writes to the same volume,
//! could redirect a symlink (CVE-2019-19921, CVE-2023-27561). Nothing else may be mounted on /proc or in it, except on the
//! files that lxcfs replaces.

use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use hull_sys::Kind;
use rustix::fs::{OFlags, ResolveFlags};

use super::options;
use super::root::Rootfs;
use crate::error::{Error, Result, Step};
use crate::procfs;
use crate::spec::Spec;

/// The files in /proc that may be covered: facts about the machine, which lxcfs replaces by those of the container.
const REPLACEABLE: &[&str] = &[
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/slabinfo",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/crypto/fips_enabled",
];

/// True for the file systems that must be mounted on a directory reached through no symlink.
pub(super) fn needs_plain_directory(kind: &str) -> bool {
    matches!(kind, "proc" | "sysfs")
}

pub(super) fn is_dev(path: &Path) -> bool {
    plain(path) == Path::new("/dev")
}

/// True if the container's /dev is bind-mounted.
pub(crate) fn has_bound_dev(spec: &Spec) -> bool {
    spec.mounts.iter().any(|mount| options::is_bind(mount) && is_dev(&mount.destination))
}

/// Returns `target` if the mount is allowed there. `is_procfs` says whether a procfs is to be mounted.
pub(super) fn check(rootfs: &Rootfs, target: OwnedFd, path: &Path, is_procfs: bool) -> Result<OwnedFd> {
    let step = || format!("look at {} in the container", path.display());
    let shown = path.display();
    let is_inside = procfs::is_procfs(&target).step(step)?;
    let is_root = is_inside && procfs::is_root(&target).step(step)?;
    if is_root || (!is_inside && plain(path) == Path::new("/proc")) {
        return match is_procfs {
            true => Ok(target),
            false => refused(format!("{shown} cannot be mounted because it is not of type proc")),
        };
    }
    if !is_inside {
        return Ok(target);
    }
    if !REPLACEABLE.iter().any(|one| plain(path) == Path::new(one)) {
        return refused(format!("{shown} cannot be mounted because it is inside /proc"));
    }
    // Looked up again without symlinks, because a symlink in the image could have led to another file in /proc.
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
    rootfs.find_as(path, OFlags::PATH, resolve).step(step)
}

fn refused<T>(text: String) -> Result<T> {
    Err(Error::failed(Kind::Invalid, text))
}

/// The absolute path without `.`, `..` and doubled slashes.
pub fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::from("/"), |mut plain, component| {
        match component {
            Component::Normal(name) => plain.push(name),
            Component::ParentDir => drop(plain.pop()),
            _ => {}
        }
        plain
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_compared_without_detours() {
        for path in ["/dev", "dev/", "//dev/.", "/a/../dev", "/../dev"] {
            assert!(is_dev(Path::new(path)), "{path}");
        }
        assert!(!is_dev(Path::new("/dev/pts")));
    }
}
