//! The root file system: a tree of mounts, built in a mount namespace of its own, which then
//! replaces the host's.
//!
//! ```text
//! detach       what is mounted here stays here
//! mount_kernel   /proc, /sys and /dev
//! pivot        "/" becomes the new tree, and the old one goes
//! ```
//!
//! Nothing has to be unmounted: the mounts go with the namespace, and the namespace with its last
//! process.
//!
//! The order matters. Files of the host can be bound into the new tree only while the old root is
//! there. And before the pivot no path in the new tree may be followed blindly: a symbolic link in
//! it is still resolved from the host's root.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::report;

/// The devices that every program may need. No disks.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Makes all mounts private. A new mount namespace is a copy of the parent's, and where mounts are
/// shared (systemd shares all) a mount in one copy appears in the other: without this call, what
/// follows would be mounted on the host too. In a user namespace the kernel has already made the
/// copies slaves of the host's mounts, which lets mounts in and none out. For root this call alone
/// protects the host (mount_namespaces(7)).
pub fn detach() -> Result<()> {
    // Recursive, because each mount has its own propagation type. With this flag mount(2) ignores
    // its other arguments.
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .context("mount(/, MS_REC | MS_PRIVATE)")?;
    report::trace("mount(/, MS_REC | MS_PRIVATE)");
    Ok(())
}

/// Binds with MS_REC. In a user namespace a bind without the mounts below would uncover what they
/// hide, and fails with EINVAL (mount_namespaces(7)).
fn bind(from: &Path, to: &Path) -> Result<()> {
    let call = || format!("mount({} -> {}, MS_BIND | MS_REC)", from.display(), to.display());
    mount(Some(from), to, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)
        .with_context(call)?;
    report::trace(call());
    Ok(())
}

/// Mounts the kernel's own file systems. /proc shows the PID namespace that it was mounted in: with
/// the host's, `ps` would list the host's processes, and `kill` would not find them.
pub fn mount_kernel(root: &Path) -> Result<()> {
    // None of these file systems needs set-user-ID programs, devices or executables.
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    // It shows the PID namespace of the process that mounts it.
    mount_new("proc", &mount_point(root, "proc")?, plain, "")?;
    // It shows the network namespace of the process that mounts it, and so it takes one (step 5).
    // Its other files are about the machine, so it is read-only.
    mount_new("sysfs", &mount_point(root, "sys")?, plain | MsFlags::MS_RDONLY, "")?;
    let dev = mount_point(root, "dev")?;
    mount_new("tmpfs", &dev, MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC, "mode=0755")?;
    for name in DEVICES {
        // Bound from the host, because in a user namespace no device can be created: it would give
        // access to the host's hardware.
        let to = dev.join(name);
        fs::write(&to, "").with_context(|| format!("create the mount point {}", to.display()))?;
        bind(&Path::new("/dev").join(name), &to)?;
    }
    for name in ["pts", "shm"] {
        fs::create_dir(dev.join(name)).with_context(|| format!("mkdir({}/{name})", dev.display()))?;
    }
    // Its own terminals and shared memory, not the host's.
    let noexec = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    // newinstance: an empty /dev/pts, whose ptmx opens new terminals in it. The terminal on stdin
    // is the host's and is not in it.
    mount_new("devpts", &dev.join("pts"), noexec, "newinstance,ptmxmode=0666,mode=0620")?;
    // 1777 as for /tmp: everybody may create files, and remove their own (the sticky bit).
    mount_new("tmpfs", &dev.join("shm"), plain, "mode=1777")?;
    // Traditional names of files in /proc, which shells and scripts use.
    let descriptors = [("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")];
    for (name, rest) in descriptors {
        symlink(format!("/proc/self/fd{rest}"), dev.join(name))
            .with_context(|| format!("symlink(dev/{name})"))?;
    }
    symlink("pts/ptmx", dev.join("ptmx")).context("symlink(dev/ptmx)")
}

/// Returns a mount point, created if it is missing. A symbolic link is refused: mount(2) follows
/// links, so `dev -> /etc` in an untrusted tree would lead to a mount over the host's /etc. (The
/// lesson on images uses openat2(2), by which the kernel refuses such a path itself.)
fn mount_point(root: &Path, name: &str) -> Result<PathBuf> {
    let path = root.join(name);
    if path.is_symlink() {
        bail!("{} is a link, which would lead out of the new root", path.display());
    }
    fs::create_dir_all(&path).with_context(|| format!("mkdir({})", path.display()))?;
    Ok(path)
}

/// Mounts a new file system that is on no disk.
fn mount_new(kind: &str, at: &Path, flags: MsFlags, data: &str) -> Result<()> {
    let comma = if data.is_empty() { "" } else { ", " };
    let call = format!("mount({kind} -> {}{comma}{data})", at.display());
    mount(Some(kind), at, Some(kind), flags, Some(data)).map_err(|errno| {
        let error = anyhow::Error::new(errno);
        // In a user namespace a new proc may show no more than an existing one does
        // (mount_namespaces(7)).
        let error = match (kind, errno) {
            ("proc", Errno::EPERM) => error.context(
                "hint: something is mounted over parts of /proc, as docker does it: run the outer container with\n      \
                 --privileged, or with --security-opt systempaths=unconfined",
            ),
            _ => error,
        };
        error.context(call.clone())
    })?;
    report::trace(call);
    Ok(())
}

/// Makes `root` the root directory and detaches the old one. chroot(2) would not be enough: it
/// changes only where "/" leads, the old tree stays mounted, and root can get back to it, by
/// another chroot into a subdirectory, which leaves the working directory outside of the root, and
/// then by `..`. After a pivot there is nothing above the root.
pub fn pivot(root: &Path) -> Result<()> {
    nix::unistd::chdir(root).with_context(|| format!("chdir({})", root.display()))?;
    // The old root is mounted on top of the new one, which spares a directory to put it in
    // (pivot_root(2)).
    nix::unistd::pivot_root(".", ".").map_err(|errno| {
        let error = anyhow::Error::new(errno);
        let error = match errno {
            Errno::EINVAL => {
                error.context("hint: the present root is an initramfs, which cannot be pivoted from")
            }
            _ => error,
        };
        error.context("pivot_root(., .)")
    })?;
    report::trace(format!("pivot_root({}, ., old on top)", root.display()));
    // The old root is the upper one. MNT_DETACH, because it is busy: the kernel takes the whole
    // tree off at once and frees each mount when its last user has gone.
    umount2(".", MntFlags::MNT_DETACH).context("umount2(., MNT_DETACH)")?;
    report::trace("umount2(., MNT_DETACH)   the old root is gone");
    // The working directory is still in the old root.
    nix::unistd::chdir("/").context("chdir(/)")
}
