//! The mounts of `config.json`, in their order.
//!
//! Each is made detached and held by its descriptor. Attributes are set through the descriptor and never through the
//! path, which a container that shares a volume with this one may have redirected meanwhile.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hull_sys::Kind as ErrorKind;
use nix::errno::Errno;
use nix::libc;
use nix::mount::MsFlags;
use rustix::fs::OFlags;

use super::options::{self, Options};
use super::root::{Kind, Rootfs, is_mount_root, verified_fd_path};
use super::{cgroup_mounts, copy_up, file_systems, foreign_proc, guard};
use crate::cgroups::Cgroup;
use crate::error::{Error, Result, Step};
use crate::procfs;
use crate::spec::Mount;

/// Mounts that are made read-only at the end, after devices, mount points and the files of hooks were made in them.
#[derive(Default)]
pub(crate) struct ReadOnlyLater(Vec<(OwnedFd, PathBuf)>);

impl ReadOnlyLater {
    pub(crate) fn apply(&self) -> Result<()> {
        self.0.iter().try_for_each(|(mount, shown)| {
            hull_sys::mount::set_attributes(mount, libc::MOUNT_ATTR_RDONLY, 0, 0, false)
                .step(|| format!("make {} read-only", shown.display()))
        })
    }
}

/// Makes one mount. `source` is the source that was bound before the clone ([`Sources`](super::Sources)). `visible` is the
/// container's cgroup, which is all that it sees of the v1 hierarchies if it has no cgroup namespace.
pub(crate) fn mount(
    rootfs: &Rootfs,
    mount: &Mount,
    bundle: &Path,
    source: Option<&OwnedFd>,
    visible: Option<&Cgroup>,
    later: &mut ReadOnlyLater,
) -> Result<()> {
    let parsed = options::parse(&mount.options);
    let shown = &mount.destination;
    let made = match mount.kind.as_deref() {
        _ if parsed.remount => remount(rootfs, mount, &parsed)?,
        _ if options::is_bind(mount) => bind(rootfs, mount, &parsed, bundle, source)?,
        Some("cgroup" | "cgroup2") => cgroup_mounts::mount(rootfs, shown, &parsed, visible)?,
        Some(kind) => file_system(rootfs, mount, kind, &parsed, later)?,
        None => return Err(Error::Invalid(format!("mount {} has no type", shown.display()))),
    };
    let step = || format!("set the attributes of {}", shown.display());
    let (set, clear) = (parsed.recursive_attributes, parsed.recursive_clear);
    // A bind mount has got them before it was attached.
    if (set | clear) != 0 && !options::is_bind(mount) {
        hull_sys::mount::set_attributes(&made, set, clear, 0, true).step(step)?;
    }
    match parsed.propagation {
        Some(kind) => {
            let recursive = kind & libc::MS_REC != 0;
            hull_sys::mount::set_attributes(&made, 0, 0, kind & !libc::MS_REC, recursive)
                .step(|| format!("set the propagation of {}", shown.display()))
        }
        None => Ok(()),
    }
}

fn file_system(
    rootfs: &Rootfs,
    mount: &Mount,
    kind: &str,
    options: &Options,
    later: &mut ReadOnlyLater,
) -> Result<OwnedFd> {
    let shown = &mount.destination;
    let step = || format!("mount {kind} on {}", shown.display());
    let source = mount.source.as_deref().unwrap_or(kind);
    let covered = match guard::needs_plain_directory(kind) {
        true => None,
        false => rootfs.find(shown, OFlags::PATH).ok(),
    };
    let options = if kind == "tmpfs" { &with_mode(options, covered.as_ref()) } else { options };
    let target = match covered {
        Some(covered) => covered,
        None if guard::needs_plain_directory(kind) => rootfs.find_or_make_without_symlinks(shown, kind)?,
        None => rootfs.find_or_make(shown, Kind::Directory)?,
    };
    let target = guard::check(rootfs, target, shown, kind == "proc")?;
    let read_only = options.flags & libc::MS_RDONLY != 0;
    let is_filled = kind == "tmpfs" || guard::is_dev(shown);
    let writable = &options.writable();
    let options = if read_only && is_filled { writable } else { options };
    let others = rootfs.pid_namespace.as_ref().filter(|_| kind == "proc");
    let made = match file_systems::needs_mount(options) && others.is_none() {
        true => by_path(rootfs, &target, kind, source, options, shown)?,
        false => {
            let made = match others {
                Some(namespace) => file_systems::create_in(&foreign_proc::open(namespace)?, source, options),
                None => file_systems::create(kind, source, options),
            };
            let made = made.step(step)?;
            hull_sys::mount::attach(&made, &target).step(step)?;
            made
        }
    };
    if options.copy_up {
        copy_up::copy(&target, &made, options, shown)?;
    }
    if read_only && is_filled {
        later.0.push((made.try_clone().step(step)?, shown.clone()));
    }
    Ok(made)
}

/// Gives a tmpfs the mode of the directory that it covers, as runc does. With the kernel's default, 1777, everybody could
/// write where the image lets only root write.
fn with_mode(options: &Options, covered: Option<&OwnedFd>) -> Options {
    let mut options = options.clone();
    let has_mode = options.data.split(',').any(|option| option.starts_with("mode="));
    if let (false, Some(Ok(stat))) = (has_mode, covered.map(rustix::fs::fstat)) {
        let rest = if options.data.is_empty() { "" } else { "," };
        options.data = format!("mode={:o}{rest}{}", stat.st_mode & 0o7777, options.data);
    }
    options
}

/// Mounts with mount(2), which returns no descriptor. So the path is looked up afterwards, and must be the root of a mount.
fn by_path(
    rootfs: &Rootfs,
    target: &OwnedFd,
    kind: &str,
    source: &str,
    options: &Options,
    shown: &Path,
) -> Result<OwnedFd> {
    let step = || format!("mount {kind} on {}", shown.display());
    let flags = MsFlags::from_bits_retain(options.flags);
    let data = Some(options.data.as_str()).filter(|data| !data.is_empty());
    nix::mount::mount(Some(source), verified_fd_path(target)?.as_str(), Some(kind), flags, data)
        .step(step)?;
    let found = rootfs.find(shown, OFlags::PATH).step(step)?;
    match is_mount_root(&found) {
        true => Ok(found),
        false => {
            let text = format!("{} has moved while {kind} was mounted on it", shown.display());
            Err(Error::failed(ErrorKind::Conflict, text))
        }
    }
}

fn remount(rootfs: &Rootfs, mount: &Mount, options: &Options) -> Result<OwnedFd> {
    let step = || format!("remount {}", mount.destination.display());
    let target = rootfs.find(&mount.destination, OFlags::PATH).step(step)?;
    let bind = if options.bind { libc::MS_BIND } else { 0 };
    let flags = MsFlags::from_bits_retain(options.flags | libc::MS_REMOUNT | bind);
    let data = Some(options.data.as_str()).filter(|data| !data.is_empty());
    nix::mount::mount(None::<&str>, verified_fd_path(&target)?.as_str(), None::<&str>, flags, data)
        .step(step)?;
    Ok(target)
}

/// Makes a bind mount detached, sets its attributes, and attaches it last, so that nobody ever sees it writable.
fn bind(
    rootfs: &Rootfs,
    mount: &Mount,
    options: &Options,
    bundle: &Path,
    prepared: Option<&OwnedFd>,
) -> Result<OwnedFd> {
    let source = bundle.join(mount.source.as_deref().unwrap_or_default());
    let shown = &mount.destination;
    let step = || format!("bind {} on {}", source.display(), shown.display());
    let tree = match prepared {
        Some(prepared) => prepared.try_clone().step(step)?,
        None => clone_source(rootfs, mount, options, bundle)?,
    };
    let stat = rustix::fs::fstat(&tree).step(step)?;
    let is_directory = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir();
    let is_procfs = procfs::is_procfs(&tree).step(step)?;
    let needs_plain_directory = is_procfs || procfs::is_sysfs(&tree).step(step)?;
    let target = match is_directory {
        true if needs_plain_directory => {
            rootfs.find_or_make_without_symlinks(shown, if is_procfs { "proc" } else { "sysfs" })?
        }
        true => rootfs.find_or_make(shown, Kind::Directory)?,
        false => rootfs.find_or_make(shown, Kind::File)?,
    };
    let target = guard::check(rootfs, target, shown, is_procfs)?;
    if options.attributes != 0 {
        let (set, clear) = (options.attributes, options.clear());
        hull_sys::mount::set_attributes(&tree, set, clear, 0, false).step(step)?;
    }
    let (set, clear) = (options.recursive_attributes, options.recursive_clear);
    if (set | clear) != 0 {
        hull_sys::mount::set_attributes(&tree, set, clear, 0, true).step(step)?;
    }
    hull_sys::mount::attach(&tree, &target).step(step)?;
    Ok(tree)
}

/// Clones the source of a bind mount as a detached mount.
pub(super) fn clone_source(
    dir: impl AsFd,
    mount: &Mount,
    options: &Options,
    bundle: &Path,
) -> Result<OwnedFd> {
    let source = bundle.join(mount.source.as_deref().unwrap_or_default());
    let step = || format!("bind {} on {}", source.display(), mount.destination.display());
    let path = CString::new(source.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL).step(step)?;
    hull_sys::mount::clone_tree(dir, &path, options.recursive).step(step)
}

/// A mount from another mount namespace. The kernel refuses bind mounts across mount namespaces (mount(2), EINVAL), but a
/// detached copy that is made inside one can be attached in another.
#[derive(Debug)]
pub struct DetachedMount {
    pub destination: PathBuf,
    /// The detached mount (open_tree(2), `OPEN_TREE_CLONE`).
    pub tree: OwnedFd,
}

pub(crate) fn attach_detached(rootfs: &Rootfs, mount: &DetachedMount) -> Result<()> {
    let target = rootfs.find_or_make(&mount.destination, Kind::Directory)?;
    hull_sys::mount::attach(&mount.tree, &target)
        .step(|| format!("attach a shared mount on {}", mount.destination.display()))
}

/// Binds the container's terminal on /dev/console. The open descriptor is bound, because the file at the terminal's path may
/// be another one by now (CVE-2025-52565).
pub(crate) fn bind_console(rootfs: &Rootfs, slave: &OwnedFd) -> Result<()> {
    let step = || "bind the terminal on /dev/console".to_owned();
    let tree = hull_sys::mount::clone_tree(slave, c"", false).step(step)?;
    let target = rootfs.find_or_make(Path::new("/dev/console"), Kind::File)?;
    hull_sys::mount::attach(&tree, &target).step(step)
}
