//! Entering the new root with pivot_root(2) and unmounting the old one. chroot(2) would not do, because a privileged process
//! can leave it.

use std::path::Path;

use nix::errno::Errno;
use nix::libc;
use nix::mount::{MntFlags, MsFlags};
use rustix::fs::{Mode, OFlags};

use super::root::{Rootfs, is_mount_root};
use crate::error::{Result, Step};
use crate::namespaces;
use crate::spec::Spec;

/// How mounts propagate between the container and the host (`linux.rootfsPropagation`).
#[derive(Debug, Clone, Copy)]
struct Propagation {
    /// For all mounts that the new mount namespace has copied from the host. `None` leaves them as they are.
    copied: Option<u64>,
    /// For the container's root at the end.
    root: Option<u64>,
}

impl Propagation {
    fn of(spec: &Spec) -> Self {
        let asked = spec.linux.as_ref().and_then(|linux| linux.rootfs_propagation.as_deref());
        let depth = if asked.is_some_and(|name| name.starts_with('r')) { libc::MS_REC } else { 0 };
        match asked.map(|name| name.strip_prefix('r').unwrap_or(name)) {
            Some("shared") => Self { copied: None, root: Some(libc::MS_SHARED | depth) },
            Some("private") => Self { copied: Some(libc::MS_PRIVATE), root: None },
            Some("unbindable") => {
                Self { copied: Some(libc::MS_PRIVATE), root: Some(libc::MS_UNBINDABLE | depth) }
            }
            _ => Self { copied: Some(libc::MS_SLAVE), root: None },
        }
    }
}

/// True for a valid `linux.rootfsPropagation`.
pub(crate) fn is_propagation(name: &str) -> bool {
    let known = ["private", "slave", "shared", "unbindable"];
    name.is_empty()
        || known.contains(&name)
        || name.strip_prefix('r').is_some_and(|rest| known.contains(&rest))
}

/// Stops later mounts from propagating to the host, unless the spec asks for it, and makes the root a mount, as pivot_root(2)
/// demands.
pub(crate) fn prepare(root: &Path, spec: &Spec) -> Result<Rootfs> {
    let propagation = Propagation::of(spec);
    if let Some(kind) = propagation.copied {
        let flags = MsFlags::from_bits_retain(kind | libc::MS_REC);
        nix::mount::mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)
            .step(|| "cut the mounts' propagation to the host".into())?;
    }
    let below = Rootfs::open(root)?;
    // In a user namespace the mounts of the host are locked (mount_namespaces(7)), so a mount of its own is needed.
    if is_mount_root(&below) && propagation.copied.is_some() && !namespaces::has_user(spec) {
        return Ok(below);
    }
    if propagation.copied.is_none() {
        // pivot_root(2) refuses a root that is shared or mounted on a shared mount, and the bind mount made next would
        // propagate to the host.
        make_private(&below)?;
    }
    bind_on_itself(root, &below)
}

/// Makes the mount that the root file system is on private, in this mount namespace.
fn make_private(root: &Rootfs) -> Result<()> {
    let step = || "cut the propagation of what the root file system lies on".to_owned();
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut top = rustix::fs::openat(root, ".", flags, Mode::empty()).step(step)?;
    // "/" is the root of a mount in any case.
    while !is_mount_root(&top) {
        top = rustix::fs::openat(&top, "..", flags, Mode::empty()).step(step)?;
    }
    hull_sys::mount::set_attributes(&top, 0, 0, libc::MS_PRIVATE, false).step(step)
}

fn bind_on_itself(root: &Path, below: &Rootfs) -> Result<Rootfs> {
    let step = || format!("bind the root file system {} on itself", root.display());
    let tree = hull_sys::mount::clone_tree(below, c"", true).step(step)?;
    hull_sys::mount::attach(&tree, below).step(step)?;
    Ok(Rootfs::from(tree))
}

/// Makes `rootfs` the root of this process and unmounts the old root.
pub(crate) fn pivot(rootfs: &Rootfs, spec: &Spec, may_move: bool) -> Result<()> {
    if spec.root.as_ref().is_some_and(|root| root.readonly) {
        hull_sys::mount::set_attributes(rootfs, libc::MOUNT_ATTR_RDONLY, 0, 0, false)
            .step(|| "make the root read-only".into())?;
    }
    let step = || "pivot_root".to_owned();
    let old = std::fs::File::open("/").step(|| "open the old root".into())?;
    nix::unistd::fchdir(rootfs).step(|| "enter the root file system".into())?;
    // Both roots are stacked at "/", so the image needs no directory for the old one.
    match nix::unistd::pivot_root(".", ".") {
        // pivot_root(2) cannot replace the initial root of the kernel, or a caller's chroot(2).
        Err(Errno::EINVAL) if may_move => {
            move_over()?;
            return propagate(spec);
        }
        done => done.step(step)?,
    }
    // The old root is on top of the new one and reached by its descriptor. It is made a slave, so that the host keeps its
    // mounts when it is unmounted here.
    nix::unistd::fchdir(&old).step(|| "enter the old root".into())?;
    nix::mount::mount(None::<&str>, ".", None::<&str>, MsFlags::MS_SLAVE | MsFlags::MS_REC, None::<&str>)
        .step(|| "cut the old root's propagation".into())?;
    nix::mount::umount2(".", MntFlags::MNT_DETACH).step(|| "unmount the old root".into())?;
    nix::unistd::chdir("/").step(|| "change to /".into())?;
    propagate(spec)
}

/// Called with the new root as the working directory. The old root stays mounted below the new one, so its /proc and /sys,
/// which a process that escapes could use against the host, are unmounted.
fn move_over() -> Result<()> {
    for shown in ["/proc", "/sys"] {
        match nix::mount::umount2(shown, MntFlags::MNT_DETACH) {
            Err(Errno::EINVAL | Errno::ENOENT) => {}
            gone => gone.step(|| format!("unmount the host's {shown}"))?,
        }
    }
    nix::mount::mount(Some("."), "/", None::<&str>, MsFlags::MS_MOVE, None::<&str>)
        .step(|| "move the root over the old one".into())?;
    nix::unistd::chroot(".").step(|| "enter the root".into())?;
    nix::unistd::chdir("/").step(|| "change to /".into())
}

fn propagate(spec: &Spec) -> Result<()> {
    match Propagation::of(spec).root {
        Some(kind) => {
            let flags = MsFlags::from_bits_retain(kind);
            nix::mount::mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)
                .step(|| "set the propagation of the root".into())
        }
        None => Ok(()),
    }
}

/// Enters the root by chroot(2), in a mount namespace that other processes share: pivot_root(2) would change their root too.
/// This does not confine a privileged process.
pub(crate) fn enter_shared(root: &Path) -> Result<()> {
    let step = || format!("enter the root file system {}", root.display());
    nix::unistd::chdir(root).step(step)?;
    nix::unistd::chroot(".").step(step)
}
