//! Checks what may be mounted on /proc and in it.
//!
//! Masks, read-only paths and every program inside trust that /proc is the kernel's. So procfs and sysfs go on directories
//! that are reached through no symlink, which an image, or a volume that another container writes to, could have
//! redirected (CVE-2019-19921, CVE-2023-27561); and nothing else goes on /proc or into it, but for the files that lxcfs
//! replaces.

use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{OFlags, ResolveFlags};

use super::{Rootfs, options};
use crate::error::{Error, Result, Step};
use crate::procfs;
use crate::spec::Spec;

/// The files in /proc that may be covered: numbers about the machine, which lxcfs replaces by the container's.
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

/// True for the types of file systems that are mounted on an ordinary directory only.
pub(super) fn is_kernels(kind: &str) -> bool {
    matches!(kind, "proc" | "sysfs")
}

pub(super) fn is_dev(path: &Path) -> bool {
    plain(path) == Path::new("/dev")
}

/// True if the container's /dev is bind-mounted.
pub(crate) fn has_bound_dev(spec: &Spec) -> bool {
    spec.mounts.iter().any(|mount| options::is_bind(mount) && is_dev(&mount.destination))
}

/// Returns `target` if something may be mounted on it. `is_procfs` tells whether that is a procfs.
pub(super) fn check(rootfs: &Rootfs, target: OwnedFd, path: &Path, is_procfs: bool) -> Result<OwnedFd> {
    let step = || format!("look at {} in the container", path.display());
    let shown = path.display();
    let is_inside = procfs::is_procfs(&target).step(step)?;
    let is_root = is_inside && procfs::is_root(&target).step(step)?;
    if is_root || (!is_inside && plain(path) == Path::new("/proc")) {
        return match is_procfs {
            true => Ok(target),
            false => Err(Error::Said(format!("{shown} cannot be mounted because it is not of type proc"))),
        };
    }
    if !is_inside {
        return Ok(target);
    }
    if !REPLACEABLE.iter().any(|one| plain(path) == Path::new(one)) {
        return Err(Error::Said(format!("{shown} cannot be mounted because it is inside /proc")));
    }
    // By this very name, for a symlink elsewhere in the image could have led to another file.
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
    rootfs.find_as(path, OFlags::PATH, resolve).step(step)
}

/// Without `.`, `..` and doubled slashes, from the root.
fn plain(path: &Path) -> PathBuf {
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
