//! Masked paths: the files in /proc and /sys that are about the machine become hidden or read-only.
//!
//! Some files in /proc and /sys have a separate content for each namespace. Memory, hardware and
//! most sysctls belong to no namespace, so their files are the same for all. The kernel checks only
//! that the writer is root, and root in a container is root.
//!
//! The file /dev/null is mounted over a file, and an empty tmpfs over a directory. A process needs
//! CAP_SYS_ADMIN to remove these mounts or to mount another /proc. The engines have nearly the same lists.

// For a system call that nix does not wrap.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::path::Path;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::mount::MsFlags;

use crate::{report, rootfs};

/// Files that tell a program more about the machine than it needs, or that attackers have used. A
/// file that does not exist in this kernel is left out.
const HIDDEN: [&str; 12] = [
    "proc/acpi",
    "proc/asound",
    "proc/interrupts",
    // The machine's memory.
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

/// Files that programs read, but that no container may change, because all containers share them.
/// The sysctls of the container's own network namespace become read-only too, so an engine sets
/// them before (--sysctl).
const READ_ONLY: [&str; 5] = [
    "proc/bus",
    "proc/fs",
    "proc/irq",
    // kernel/core_pattern in this directory can name a program. The kernel runs that program as the
    // host's root when a process crashes.
    "proc/sys",
    "proc/sysrq-trigger",
];

/// Masks the files in the tree below `root`, which becomes the container's root later. In a user
/// namespace, most of these files belong to a user who has no id inside. They are masked
/// nevertheless.
pub fn apply(root: &Path) -> Result<()> {
    for path in HIDDEN.map(|path| root.join(path)).into_iter().filter(|path| path.exists()) {
        if path.is_dir() {
            // Read-only and of size 0, so that nobody can put files there.
            rootfs::mount_new("tmpfs", &path, MsFlags::MS_RDONLY, "size=0,mode=0555")?;
        } else {
            // A read from /dev/null returns the end of the file.
            rootfs::bind(&root.join("dev/null"), &path)?;
        }
    }
    for path in READ_ONLY.map(|path| root.join(path)).into_iter().filter(|path| path.exists()) {
        // Only a mount can be read-only, so the file is first mounted onto itself.
        rootfs::bind(&path, &path)?;
        make_read_only(&path)?;
    }
    Ok(())
}

/// Makes a tree of mounts read-only. mount_setattr(2), since Linux 5.12, changes the whole tree;
/// mount(2) would change only one mount, and the call would have to repeat all other flags of that
/// mount.
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
