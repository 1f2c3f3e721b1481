//! The root file system: a tree of mounts built in a mount namespace of our own, and then the only one there is.
//!
//! ```text
//! detach       what is mounted here stays here
//! mount_kernel   /proc, /sys and /dev
//! pivot        "/" becomes the new tree, and the old one goes
//! ```
//!
//! Nothing is unmounted anywhere: the namespace ends with its last process, and its mounts with it.
//!
//! The order is the point. While the old root is there, its files can be bound into the new one; once it is
//! gone there is no way to name them. And nothing in the new tree may be followed as a path before the pivot
//! without looking: until then a link in it starts from the host's root.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::report;

/// The host's devices that programs cannot do without. Not the disks.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// A new mount namespace is a copy, and where mounts are shared (systemd shares all) each copy still tells the other
/// what happens to it. Private ends that. Without it what follows would be mounted on the host as well.
/// In a user namespace the kernel has already made the copy a slave: what is mounted outside still comes in,
/// nothing gets out. For root nobody has done it, and this line is all that keeps the host's mounts its own
/// (mount_namespaces(7)).
pub fn detach() -> Result<()> {
    // Recursive, since each mount below has a propagation of its own. mount(2) takes the flag alone and ignores
    // the rest.
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .context("mount(/, MS_REC | MS_PRIVATE)")?;
    report::trace("mount(/, MS_REC | MS_PRIVATE)");
    Ok(())
}

/// With MS_REC, for in a user namespace a bind that left out what is mounted below would uncover what somebody has
/// covered: EINVAL (mount_namespaces(7)).
fn bind(from: &Path, to: &Path) -> Result<()> {
    let call = || format!("mount({} -> {}, MS_BIND | MS_REC)", from.display(), to.display());
    mount(Some(from), to, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)
        .with_context(call)?;
    report::trace(call());
    Ok(())
}

/// The file systems that are the kernel's to fill.
/// A new /proc is not a convenience: with the host's, `ps` would list the host's processes and `kill` would not
/// find them, since numbers in there are those of the PID namespace that it was mounted from.
pub fn mount_kernel(root: &Path) -> Result<()> {
    // No set-user-ID, no devices, no programs: nothing in these has a use for them.
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    // It shows the PID namespace of whoever mounts it. Without this `ps` would still list the host's processes.
    mount_new("proc", &mount_point(root, "proc")?, plain, "")?;
    // It shows the network namespace of whoever mounts it, and so there was none before this one. Its other knobs are
    // the machine's.
    mount_new("sysfs", &mount_point(root, "sys")?, plain | MsFlags::MS_RDONLY, "")?;
    let dev = mount_point(root, "dev")?;
    mount_new("tmpfs", &dev, MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC, "mode=0755")?;
    for name in DEVICES {
        // Bound, since a user namespace may not make a device: it would be a key to the host's hardware.
        let to = dev.join(name);
        fs::write(&to, "").with_context(|| format!("create the mount point {}", to.display()))?;
        bind(&Path::new("/dev").join(name), &to)?;
    }
    for name in ["pts", "shm"] {
        fs::create_dir(dev.join(name)).with_context(|| format!("mkdir({}/{name})", dev.display()))?;
    }
    // Terminals and shared memory of its own, not the host's.
    let noexec = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    // newinstance: a /dev/pts with no terminal in it yet, and a ptmx that opens new ones here. The terminal on
    // stdin is the host's, and is not in it.
    mount_new("devpts", &dev.join("pts"), noexec, "newinstance,ptmxmode=0666,mode=0620")?;
    // 1777 as for /tmp: anybody may make files, and remove their own (the sticky bit).
    mount_new("tmpfs", &dev.join("shm"), plain, "mode=1777")?;
    // Old names for what is in /proc; shells and scripts know them.
    let descriptors = [("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")];
    for (name, rest) in descriptors {
        symlink(format!("/proc/self/fd{rest}"), dev.join(name))
            .with_context(|| format!("symlink(dev/{name})"))?;
    }
    symlink("pts/ptmx", dev.join("ptmx")).context("symlink(dev/ptmx)")
}

/// Made if missing. A link is refused: the tree may be a stranger's, and until the pivot a link leads through the host.
/// mount(2) follows links, the last name of a path too, and `dev -> /etc` in a stranger's tree is a mount over
/// the host's /etc. The lesson on images does it by openat2(2), where the kernel itself looks that nothing is left.
fn mount_point(root: &Path, name: &str) -> Result<PathBuf> {
    let path = root.join(name);
    if path.is_symlink() {
        bail!("{} is a link, which would lead out of the new root", path.display());
    }
    fs::create_dir_all(&path).with_context(|| format!("mkdir({})", path.display()))?;
    Ok(path)
}

/// A file system that is on no disk: the kernel makes up what is in it.
fn mount_new(kind: &str, at: &Path, flags: MsFlags, data: &str) -> Result<()> {
    let comma = if data.is_empty() { "" } else { ", " };
    let call = format!("mount({kind} -> {}{comma}{data})", at.display());
    mount(Some(kind), at, Some(kind), flags, Some(data)).map_err(|errno| {
        let error = anyhow::Error::new(errno);
        // In a user namespace a new proc may show no more than one that is there already (mount_namespaces(7)).
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

/// Makes `root` the root and throws the old one away. chroot(2) would only move where "/" points; the old tree would
/// stay mounted, and root has ways back to it.
/// The classic way back: chroot once more, into a directory below; then the working directory is outside of the
/// root, and `..` leads up from there as far as it goes. After a pivot there is nothing up there.
pub fn pivot(root: &Path) -> Result<()> {
    nix::unistd::chdir(root).with_context(|| format!("chdir({})", root.display()))?;
    // The old root goes where the new one is, on top of it: that spares a directory to put it in (pivot_root(2)).
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
    // The top of the two is the old one. Lazily: it is busy, if only with our own working directory.
    // With MNT_DETACH the kernel takes the whole tree off at once and frees each mount when its last user has gone.
    umount2(".", MntFlags::MNT_DETACH).context("umount2(., MNT_DETACH)")?;
    report::trace("umount2(., MNT_DETACH)   the old root is gone");
    // The working directory was the old root's; what has none that leads anywhere begins at the new one.
    nix::unistd::chdir("/").context("chdir(/)")
}
