//! The root file system: a tree of mounts, built in a mount namespace of its own, which then
//! replaces the host's.
//!
//! ```text
//! detach       mounts that follow are not seen on the host
//! mount_kernel   /proc, /sys and /dev
//! pivot        "/" becomes the new tree, and the old one goes
//! ```
//!
//! Nothing has to be unmounted: the kernel removes the mounts with the namespace, and the namespace
//! with its last process.
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

/// The flags of file systems in which nobody needs set-user-ID programs, devices or executables.
const PLAIN: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV).union(MsFlags::MS_NOEXEC);

/// Makes all mounts private. A new mount namespace starts with a copy of the parent's mounts. If
/// they are shared (systemd shares all mounts), a mount in one copy appears in the other one too.
/// Without this call, the mounts that follow would appear on the host. In a user namespace the
/// kernel has already made the copies slaves of the host's mounts: mounts of the host appear here,
/// and ours do not appear there. For root, only this call protects the host (mount_namespaces(7)).
pub fn detach() -> Result<()> {
    // Recursive, because each mount has its own propagation type. With this flag mount(2) ignores
    // its other arguments.
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .context("mount(/, MS_REC | MS_PRIVATE)")?;
    report::trace("mount(/, MS_REC | MS_PRIVATE)");
    Ok(())
}

/// Binds a directory with all mounts below it (MS_REC). Without them the bind would show the files
/// that these mounts hide, so in a user namespace it fails with EINVAL (mount_namespaces(7)).
pub fn bind(from: &Path, to: &Path) -> Result<()> {
    let call = || format!("mount({} -> {}, MS_BIND | MS_REC)", from.display(), to.display());
    mount(Some(from), to, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)
        .with_context(call)?;
    report::trace(call());
    Ok(())
}

/// Mounts the kernel's own file systems. /proc shows the PID namespace that it was mounted in. With
/// the /proc of the host, `ps` would list the processes of the host, and `kill` would not find them.
pub fn mount_kernel(root: &Path) -> Result<()> {
    mount_new("proc", &mount_point(root, "proc")?, PLAIN, "")?;
    // It shows the network namespace of the process that mounts it, and so it takes one (step 5).
    // Its other files are about the machine, so it is read-only.
    mount_new("sysfs", &mount_point(root, "sys")?, PLAIN | MsFlags::MS_RDONLY, "")?;
    let dev = mount_point(root, "dev")?;
    mount_new("tmpfs", &dev, MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC, "mode=0755")?;
    bind_devices(&dev)?;
    mount_terminals(&dev)
}

/// Binds the devices of the host. In a user namespace no device can be created, because a new device
/// would give access to the host's hardware.
fn bind_devices(dev: &Path) -> Result<()> {
    for name in DEVICES {
        let to = dev.join(name);
        fs::write(&to, "").with_context(|| format!("create the mount point {}", to.display()))?;
        bind(&Path::new("/dev").join(name), &to)?;
    }
    Ok(())
}

/// Mounts terminals and shared memory of the container's own, and creates the links that programs
/// expect in /dev.
fn mount_terminals(dev: &Path) -> Result<()> {
    for name in ["pts", "shm"] {
        fs::create_dir(dev.join(name)).with_context(|| format!("mkdir({}/{name})", dev.display()))?;
    }
    // newinstance: an empty /dev/pts, and a ptmx that opens new terminals in it. The terminal on
    // stdin belongs to the host, so it is not in this /dev/pts.
    let noexec = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mount_new("devpts", &dev.join("pts"), noexec, "newinstance,ptmxmode=0666,mode=0620")?;
    // 1777 as for /tmp: everybody may create files, and remove their own (the sticky bit).
    mount_new("tmpfs", &dev.join("shm"), PLAIN, "mode=1777")?;
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
/// lesson on images uses openat2(2), with which the kernel itself refuses such a path.)
fn mount_point(root: &Path, name: &str) -> Result<PathBuf> {
    let path = root.join(name);
    if path.is_symlink() {
        bail!("{} is a link, which would lead out of the new root", path.display());
    }
    fs::create_dir_all(&path).with_context(|| format!("mkdir({})", path.display()))?;
    Ok(path)
}

/// Mounts a new file system that is not on a disk.
pub fn mount_new(kind: &str, at: &Path, flags: MsFlags, data: &str) -> Result<()> {
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

/// Makes `root` the root directory and detaches the old one. chroot(2) is not enough: it changes only
/// where "/" leads, and the old tree stays mounted. Root gets back to it with a second chroot into a
/// subdirectory, which leaves the working directory outside of the new root, and then with `..`.
/// After a pivot there is nothing above the root.
pub fn pivot(root: &Path) -> Result<()> {
    nix::unistd::chdir(root).with_context(|| format!("chdir({})", root.display()))?;
    // The second argument is where the old root is mounted. "." mounts it on top of the new root, so
    // no directory is needed for it (pivot_root(2)).
    nix::unistd::pivot_root(".", ".").map_err(|errno| {
        let error = anyhow::Error::new(errno);
        let error = match errno {
            Errno::EINVAL => error.context(
                "hint: the present root is an initramfs, which pivot_root cannot leave, or it is shared",
            ),
            _ => error,
        };
        error.context("pivot_root(., .)")
    })?;
    report::trace(format!("pivot_root({}, .)   the old root is on top", root.display()));
    // "." is the upper one of the two, the old root. It is busy, so use MNT_DETACH: the kernel
    // removes the whole tree at once, and frees each mount when nothing uses it any more.
    umount2(".", MntFlags::MNT_DETACH).context("umount2(., MNT_DETACH)")?;
    report::trace("umount2(., MNT_DETACH)   the old root is gone");
    // The working directory was the new root already. This line does not depend on that.
    nix::unistd::chdir("/").context("chdir(/)")
}
