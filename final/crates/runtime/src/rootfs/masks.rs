//! Paths the container must not see, or not write.

use std::path::Path;

use nix::errno::Errno;
use nix::libc;
use nix::mount::MsFlags;
use rustix::fs::{FileType, OFlags};

use super::{Rootfs, fd_path};
use crate::error::{Result, Step};

/// Covers a file with /dev/null and a directory with an empty read-only tmpfs. What is not there needs no mask.
pub(crate) fn mask(rootfs: &Rootfs, path: &Path) -> Result<()> {
    let step = || format!("mask {}", path.display());
    let target = match rootfs.find(path, OFlags::PATH) {
        Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(()),
        found => found.step(step)?,
    };
    let stat = rustix::fs::fstat(&target).step(step)?;
    if FileType::from_raw_mode(stat.st_mode).is_dir() {
        let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        let data = Some("size=0k,nr_inodes=2");
        return nix::mount::mount(Some("tmpfs"), fd_path(&target).as_str(), Some("tmpfs"), flags, data)
            .step(step);
    }
    // The host's: what stands at the container's own /dev/null the image decides (CVE-2025-31133).
    let null = hull_sys::mount::clone_tree(rootfs, c"/dev/null", false).step(step)?;
    hull_sys::mount::attach(&null, &target).step(step)
}

/// Binds a path on itself, read-only with all below it.
pub(crate) fn read_only(rootfs: &Rootfs, path: &Path) -> Result<()> {
    let step = || format!("make {} read-only", path.display());
    let target = match rootfs.find(path, OFlags::PATH) {
        Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(()),
        found => found.step(step)?,
    };
    let tree = hull_sys::mount::clone_tree(&target, c"", true).step(step)?;
    hull_sys::mount::set_attributes(&tree, libc::MOUNT_ATTR_RDONLY, 0, 0, true).step(step)?;
    hull_sys::mount::attach(&tree, &target).step(step)
}
