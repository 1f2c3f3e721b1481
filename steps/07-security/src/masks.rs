//! Hides files in /proc and /sys that are about the machine and not the container, or makes them
//! read-only.
//!
//! /dev/null is mounted over a file, and an empty tmpfs over a directory. Removing these mounts, or
//! mounting another /proc, takes CAP_SYS_ADMIN. The lists are those of every runtime.
//!
//! Most of /proc and /sys shows each namespace its own content. What belongs to no namespace is the
//! same for all: the clock, memory, hardware, sysctls. The kernel protects it by checking for root,
//! and root in a container is root.

// For a system call that nix does not wrap.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::path::Path;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::mount::MsFlags;

use crate::{report, rootfs};

/// Files that reveal more about the machine than programs need, or that attackers have used. Those
/// that a kernel does not have are skipped.
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

/// Files that programs read and no container may change, because they are the same for all. This
/// also makes the sysctls of the container's own network namespace read-only; engines set those
/// (--sysctl) before.
const READ_ONLY: [&str; 5] = [
    "proc/bus",
    "proc/fs",
    "proc/irq",
    // Among the sysctls: the program that the kernel runs, as the host's root, when a process
    // crashes.
    "proc/sys",
    "proc/sysrq-trigger",
];

/// Covers the files in the tree that will be the root. In a user namespace their owner, who is
/// nobody there, protects many of them already; they are covered nevertheless.
pub fn apply(root: &Path) -> Result<()> {
    // This runs before the pivot, so the paths, /dev/null's too, are below the new root.
    for path in HIDDEN.map(|path| root.join(path)).into_iter().filter(|path| path.exists()) {
        // A mount hides what is below it, a file or a directory.
        if path.is_dir() {
            // Read-only and of size 0: nobody can put anything there that a program would take for
            // the kernel's.
            rootfs::mount_new("tmpfs", &path, MsFlags::MS_RDONLY, "size=0,mode=0555")?;
        } else {
            // Reads return the end of file, writes are discarded.
            rootfs::bind(&root.join("dev/null"), &path)?;
        }
    }
    for path in READ_ONLY.map(|path| root.join(path)).into_iter().filter(|path| path.exists()) {
        // Only a mount can be read-only, so the file is bound onto itself.
        rootfs::bind(&path, &path)?;
        make_read_only(&path)?;
    }
    Ok(())
}

/// mount_setattr(2), Linux 5.12, changes a whole tree. mount(2) would change one mount, and would
/// have to repeat all its other flags.
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
