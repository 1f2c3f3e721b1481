//! Into the new root, and the old one gone: `pivot_root`, never `chroot`, which a privileged process walks out of.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::libc;
use nix::mount::{MntFlags, MsFlags};

use super::Rootfs;
use crate::error::{Result, Step};

/// Nothing mounted from here on reaches the host, and the root is a mount of its own, as pivot_root(2) demands.
pub(crate) fn prepare(root: &Path, propagation: MsFlags) -> Result<Rootfs> {
    nix::mount::mount(None::<&str>, "/", None::<&str>, propagation | MsFlags::MS_REC, None::<&str>)
        .step(|| "cut the mounts' propagation to the host".into())?;
    let step = || format!("bind the root file system {} on itself", root.display());
    let path = CString::new(root.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL).step(step)?;
    let below = Rootfs::open(root)?;
    if is_mount_root(&below) {
        return Ok(below);
    }
    let tree = hull_sys::mount::clone_tree(&below, &path, true).step(step)?;
    hull_sys::mount::attach(&tree, &below).step(step)?;
    Rootfs::open(root)
}

/// statx(2), Linux 5.8. Where the kernel does not say, a bind too many does no harm.
fn is_mount_root(rootfs: &Rootfs) -> bool {
    use rustix::fs::{AtFlags, StatxAttributes, StatxFlags};
    let stat = rustix::fs::statx(rootfs, "", AtFlags::EMPTY_PATH, StatxFlags::empty());
    stat.is_ok_and(|stat| stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

pub(crate) fn pivot(rootfs: &Rootfs, read_only: bool) -> Result<()> {
    if read_only {
        hull_sys::mount::set_attributes(rootfs, libc::MOUNT_ATTR_RDONLY, 0, 0, false)
            .step(|| "make the root read-only".into())?;
    }
    let step = || "pivot_root".to_owned();
    nix::unistd::fchdir(rootfs).step(|| "enter the root file system".into())?;
    // The new root stacked on the old one, both at "/": no directory for the old one is needed in the image.
    nix::unistd::pivot_root(".", ".").step(step)?;
    // "." is the old root now. A slave, so that its unmounting is not the host's.
    nix::mount::mount(None::<&str>, ".", None::<&str>, MsFlags::MS_SLAVE | MsFlags::MS_REC, None::<&str>)
        .step(|| "cut the old root's propagation".into())?;
    nix::mount::umount2(".", MntFlags::MNT_DETACH).step(|| "unmount the old root".into())?;
    nix::unistd::chdir("/").step(|| "change to /".into())
}
