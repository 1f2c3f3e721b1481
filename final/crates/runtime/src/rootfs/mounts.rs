//! The mounts of `config.json`, in their order.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::libc;
use nix::mount::MsFlags;

use super::options::{self, Options};
use super::{Kind, Rootfs, copy_up, fd_path};
use crate::cgroups::{Cgroup, Layout};
use crate::error::{Error, Result, Step};
use crate::spec::Mount;

/// `source` is what was bound before the clone ([`Sources`](super::Sources)); `visible` the cgroup that is all of the v1
/// hierarchies which the container sees, where no cgroup namespace takes care of that.
pub(crate) fn mount(
    rootfs: &Rootfs,
    mount: &Mount,
    bundle: &Path,
    source: Option<&OwnedFd>,
    visible: Option<&Cgroup>,
) -> Result<()> {
    let parsed = options::parse(&mount.options);
    match mount.kind.as_deref() {
        _ if parsed.remount => remount(rootfs, mount, &parsed)?,
        _ if parsed.bind => bind(rootfs, mount, &parsed, bundle, source)?,
        Some("bind") => bind(rootfs, mount, &Options { bind: true, ..parsed }, bundle, source)?,
        Some("cgroup" | "cgroup2") => return cgroups(rootfs, mount, &parsed, visible),
        Some(kind) => {
            let covered = rootfs.find(&mount.destination, rustix::fs::OFlags::PATH).ok();
            let parsed = if kind == "tmpfs" { with_mode(parsed, covered.as_ref()) } else { parsed };
            let target = match covered {
                Some(covered) => covered,
                None => rootfs.find_or_make(&mount.destination, Kind::Directory)?,
            };
            let source = mount.source.as_deref().unwrap_or(kind);
            match parsed.copy_up {
                true => copy_up::mount(rootfs, &target, source, &parsed, &mount.destination)?,
                false => file_system(&target, kind, source, &parsed, &mount.destination)?,
            }
        }
        None => return Err(Error::Invalid(format!("mount {} has no type", mount.destination.display()))),
    }
    finish(rootfs, mount)
}

/// A tmpfs is as open as the directory that it covers, as runc's is: the kernel's own 1777 would let everybody write to
/// what the image keeps to root.
fn with_mode(mut options: Options, covered: Option<&OwnedFd>) -> Options {
    let has_mode = options.data.split(',').any(|option| option.starts_with("mode="));
    if let (false, Some(Ok(stat))) = (has_mode, covered.map(rustix::fs::fstat)) {
        let rest = if options.data.is_empty() { "" } else { "," };
        options.data = format!("mode={:o}{rest}{}", stat.st_mode & 0o7777, options.data);
    }
    options
}

/// What is set on a mount once it is there.
fn finish(rootfs: &Rootfs, mount: &Mount) -> Result<()> {
    let parsed = options::parse(&mount.options);
    let (set, clear) = (parsed.recursive_attributes, parsed.recursive_clear);
    if (set | clear) != 0 && !options::is_bind(mount) {
        let step = || format!("set the attributes of {}", mount.destination.display());
        let target = rootfs.find(&mount.destination, rustix::fs::OFlags::PATH).step(step)?;
        hull_sys::mount::set_attributes(&target, set, clear, 0, true).step(step)?;
    }
    match parsed.propagation {
        Some(kind) => propagate(rootfs, &mount.destination, kind),
        None => Ok(()),
    }
}

fn remount(rootfs: &Rootfs, mount: &Mount, options: &Options) -> Result<()> {
    let step = || format!("mount {} anew", mount.destination.display());
    let target = rootfs.find(&mount.destination, rustix::fs::OFlags::PATH).step(step)?;
    let bind = if options.bind { libc::MS_BIND } else { 0 };
    let flags = MsFlags::from_bits_retain(options.flags | libc::MS_REMOUNT | bind);
    let data = Some(options.data.as_str()).filter(|data| !data.is_empty());
    nix::mount::mount(None::<&str>, fd_path(&target).as_str(), None::<&str>, flags, data).step(step)
}

pub(super) fn file_system(
    target: &OwnedFd,
    kind: &str,
    source: &str,
    options: &Options,
    shown: &Path,
) -> Result<()> {
    let flags = MsFlags::from_bits_retain(options.flags);
    let data = Some(options.data.as_str()).filter(|data| !data.is_empty());
    let path = fd_path(target);
    match nix::mount::mount(Some(source), path.as_str(), Some(kind), flags, data) {
        // In a user namespace group 5 may have no mapping: the terminals then belong to their user's group.
        Err(Errno::EINVAL) if kind == "devpts" && options.data.contains("gid=") => {
            let data: Vec<&str> = options.data.split(',').filter(|o| !o.starts_with("gid=")).collect();
            nix::mount::mount(Some(source), path.as_str(), Some(kind), flags, Some(data.join(",").as_str()))
        }
        result => result,
    }
    .step(|| format!("mount {kind} on {}", shown.display()))
}

/// A bind mount is made detached, given its attributes, and only then attached: nobody sees it writable before.
fn bind(
    rootfs: &Rootfs,
    mount: &Mount,
    options: &Options,
    bundle: &Path,
    prepared: Option<&OwnedFd>,
) -> Result<()> {
    let source = bundle.join(mount.source.as_deref().unwrap_or_default());
    let step = || format!("bind {} on {}", source.display(), mount.destination.display());
    let opened = match prepared {
        Some(_) => None,
        None => Some(clone_source(rootfs, mount, options, bundle)?),
    };
    let Some(tree) = prepared.or(opened.as_ref()) else { return Ok(()) };
    let stat = rustix::fs::fstat(tree).step(step)?;
    let is_directory = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir();
    let target =
        rootfs.find_or_make(&mount.destination, if is_directory { Kind::Directory } else { Kind::File })?;
    // A read-only bind is read-only all the way down, as docker's is: `ro` on the top alone would leave what is
    // mounted below it writable.
    let everywhere = options.recursive && options.attributes & libc::MOUNT_ATTR_RDONLY != 0;
    if options.attributes != 0 {
        let (set, clear) = (options.attributes, options.clear());
        hull_sys::mount::set_attributes(tree, set, clear, 0, everywhere).step(step)?;
    }
    let (set, clear) = (options.recursive_attributes, options.recursive_clear);
    if (set | clear) != 0 {
        hull_sys::mount::set_attributes(tree, set, clear, 0, true).step(step)?;
    }
    hull_sys::mount::attach(tree, &target).step(step)
}

/// A detached copy of what is to be bound.
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

fn propagate(rootfs: &Rootfs, destination: &Path, kind: u64) -> Result<()> {
    let step = || format!("set the propagation of {}", destination.display());
    let target = rootfs.find(destination, rustix::fs::OFlags::PATH).step(step)?;
    let recursive = kind & libc::MS_REC != 0;
    hull_sys::mount::set_attributes(&target, 0, 0, kind & !libc::MS_REC, recursive).step(step)
}

/// /sys/fs/cgroup as the host has it: one tree on v2, a tmpfs with a directory per hierarchy on v1 and hybrid. In the
/// container's cgroup namespace each shows the container's cgroup as its root; without one the container's cgroups of v1
/// are bound.
fn cgroups(rootfs: &Rootfs, mount: &Mount, options: &Options, visible: Option<&Cgroup>) -> Result<()> {
    let layout = crate::cgroups::detect()?;
    let target = rootfs.find_or_make(&mount.destination, Kind::Directory)?;
    let hierarchies = match &layout {
        Layout::V2 { .. } => {
            return file_system(&target, "cgroup2", "cgroup", options, &mount.destination);
        }
        Layout::V1 { hierarchies, .. } => hierarchies,
    };
    let writable =
        Options { flags: options.flags & !libc::MS_RDONLY, data: "mode=755".into(), ..Options::default() };
    file_system(&target, "tmpfs", "cgroup", &writable, &mount.destination)?;
    for hierarchy in hierarchies {
        let destination = mount.destination.join(&hierarchy.name);
        let target = rootfs.find_or_make(&destination, Kind::Directory)?;
        if let Some(directory) = visible.and_then(|cgroup| cgroup.directory_in(hierarchy)) {
            bind_cgroup(rootfs, &directory, &target, options)?;
            continue;
        }
        let options =
            Options { flags: options.flags, data: hierarchy.mount_data.clone(), ..Options::default() };
        file_system(&target, hierarchy.file_system(), "cgroup", &options, &destination)?;
    }
    if options.flags & libc::MS_RDONLY != 0 {
        let target = rootfs
            .find(&mount.destination, rustix::fs::OFlags::PATH)
            .step(|| "find the cgroup mount".into())?;
        hull_sys::mount::set_attributes(&target, libc::MOUNT_ATTR_RDONLY, 0, 0, false)
            .step(|| "make the cgroup tree read-only".into())?;
    }
    Ok(())
}

fn bind_cgroup(rootfs: &Rootfs, directory: &Path, target: &OwnedFd, options: &Options) -> Result<()> {
    let step = || format!("bind the cgroup {}", directory.display());
    let path = CString::new(directory.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL).step(step)?;
    let tree = hull_sys::mount::clone_tree(rootfs, &path, false).step(step)?;
    hull_sys::mount::set_attributes(&tree, options.attributes, options.clear(), 0, false).step(step)?;
    hull_sys::mount::attach(&tree, target).step(step)
}

/// A mount that the caller took from elsewhere: the kernel binds nothing across mount namespaces (mount(2), EINVAL),
/// but a detached copy made inside one can be attached in another.
#[derive(Debug)]
pub struct Graft {
    pub destination: PathBuf,
    /// Detached (open_tree(2), `OPEN_TREE_CLONE`).
    pub tree: OwnedFd,
}

pub(crate) fn graft(rootfs: &Rootfs, graft: &Graft) -> Result<()> {
    let target = rootfs.find_or_make(&graft.destination, Kind::Directory)?;
    hull_sys::mount::attach(&graft.tree, &target)
        .step(|| format!("attach a shared mount on {}", graft.destination.display()))
}

/// /dev/console is the container's terminal.
pub(crate) fn bind_console(rootfs: &Rootfs, slave: &Path) -> Result<()> {
    let step = || "bind the terminal on /dev/console".to_owned();
    let slave = rootfs.find(slave, rustix::fs::OFlags::PATH).step(step)?;
    let target = rootfs.find_or_make(Path::new("/dev/console"), Kind::File)?;
    let tree = hull_sys::mount::clone_tree(&slave, c"", false).step(step)?;
    hull_sys::mount::attach(&tree, &target).step(step)
}
