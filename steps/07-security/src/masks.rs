//! What the kernel shows in /proc and /sys that is the machine's and not the container's: hidden, or for reading only.
//!
//! A file is hidden by /dev/null, a directory by an empty one; both by a mount on top. To take that off again, or to mount
//! another /proc, takes CAP_SYS_ADMIN. The lists are those of every runtime.
//!
//! Why is it there at all? Most of /proc and /sys knows namespaces, and shows each their own. What has none of
//! these is one for all: the clock, the memory, the hardware, the kernel's switches. The kernel guards it by
//! who is root, and a container's root is root.

// One system call that nix has no name for.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::path::Path;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::mount::MsFlags;

use crate::{report, rootfs};

/// What tells about the machine more than a program has to know, or has been of use to attackers.
/// Not every kernel has all of them: what is not there is passed over.
const HIDDEN: [&str; 12] = [
    "proc/acpi",
    "proc/asound",
    "proc/interrupts",
    // All memory.
    "proc/kcore",
    "proc/keys",
    "proc/latency_stats",
    "proc/sched_debug",
    "proc/scsi",
    "proc/timer_list",
    "proc/timer_stats",
    "sys/devices/virtual/powercap",
    "sys/firmware",
];

/// What programs read and no container may change, since it is the same for all.
/// `sysctl` in a container is refused with this, also for what is its network namespace's own. Engines set
/// those (--sysctl) before they cover it.
const READ_ONLY: [&str; 5] = [
    "proc/bus",
    "proc/fs",
    "proc/irq",
    // Among all the switches: which program the kernel starts, as the host's root, when another one crashes.
    "proc/sys",
    "proc/sysrq-trigger",
];

/// On the tree that is about to be the root; what a kernel does not have needs no cover.
/// In a user namespace much of this is refused by its owner already, since root inside is nobody there. It is
/// done all the same: two locks, and one way for all.
pub fn apply(root: &Path) -> Result<()> {
    // Before the pivot: the files to cover are in the tree that is to come, and so is the /dev/null.
    for path in HIDDEN.map(|path| root.join(path)).into_iter().filter(|path| path.exists()) {
        // A mount takes the place of what is below, of a file like of a directory.
        if path.is_dir() {
            // Read-only and without room, so that nobody puts into it what a program then takes for the kernel's word.
            rootfs::mount_new("tmpfs", &path, MsFlags::MS_RDONLY, "size=0,mode=0555")?;
        } else {
            // Reading ends at once, and writing goes nowhere.
            rootfs::bind(&root.join("dev/null"), &path)?;
        }
    }
    for path in READ_ONLY.map(|path| root.join(path)).into_iter().filter(|path| path.exists()) {
        // Only a mount can be read-only, so it is made one, of itself onto itself.
        rootfs::bind(&path, &path)?;
        make_read_only(&path)?;
    }
    Ok(())
}

/// mount(2) changes one mount, and only if told all its other flags again; mount_setattr(2), Linux 5.12, the whole tree.
fn make_read_only(tree: &Path) -> Result<()> {
    let call = || format!("mount_setattr({}, MOUNT_ATTR_RDONLY, recursive)", tree.display());
    let path = CString::new(tree.as_os_str().as_encoded_bytes()).with_context(call)?;
    let attr =
        libc::mount_attr { attr_set: libc::MOUNT_ATTR_RDONLY, attr_clr: 0, propagation: 0, userns_fd: 0 };
    let (flags, size) = (libc::AT_RECURSIVE, size_of_val(&attr));
    // SAFETY: the path ends in a zero byte, and `attr` is as long as we say.
    let done = unsafe {
        libc::syscall(libc::SYS_mount_setattr, libc::AT_FDCWD, path.as_ptr(), flags, &raw const attr, size)
    };
    Errno::result(done).with_context(call)?;
    report::trace(call());
    Ok(())
}
