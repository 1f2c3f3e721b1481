//! The mounts of `config.json`, in their order.

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::libc;
use nix::mount::MsFlags;

use super::options::{self, Options};
use super::{Kind, Rootfs, fd_path};
use crate::cgroups::Layout;
use crate::error::{Error, Result, Step};
use crate::spec::Mount;

pub(crate) fn mount(rootfs: &Rootfs, mount: &Mount, bundle: &Path) -> Result<()> {
    let parsed = options::parse(&mount.options);
    match mount.kind.as_deref() {
        _ if parsed.bind => bind(rootfs, mount, &parsed, bundle)?,
        Some("bind") => bind(rootfs, mount, &Options { bind: true, ..parsed }, bundle)?,
        Some("cgroup" | "cgroup2") => return cgroups(rootfs, mount, &parsed),
        Some(kind) => {
            let target = rootfs.find_or_make(&mount.destination, Kind::Directory)?;
            let source = mount.source.as_deref().unwrap_or(kind);
            file_system(&target, kind, source, &parsed, &mount.destination)?;
        }
        None => return Err(Error::Invalid(format!("mount {} has no type", mount.destination.display()))),
    }
    match options::parse(&mount.options).propagation {
        Some(kind) => propagate(rootfs, &mount.destination, kind),
        None => Ok(()),
    }
}

fn file_system(target: &OwnedFd, kind: &str, source: &str, options: &Options, shown: &Path) -> Result<()> {
    let flags = MsFlags::from_bits_truncate(options.flags);
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
fn bind(rootfs: &Rootfs, mount: &Mount, options: &Options, bundle: &Path) -> Result<()> {
    let source = bundle.join(mount.source.as_deref().unwrap_or_default());
    let step = || format!("bind {} on {}", source.display(), mount.destination.display());
    let is_directory = std::fs::metadata(&source).step(step)?.is_dir();
    let target =
        rootfs.find_or_make(&mount.destination, if is_directory { Kind::Directory } else { Kind::File })?;
    let path = CString::new(source.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL).step(step)?;
    let tree = hull_sys::mount::clone_tree(rootfs, &path, options.recursive).step(step)?;
    // A read-only bind is read-only all the way down, as docker's is: `ro` on the top alone would leave what is
    // mounted below it writable.
    let everywhere = options.recursive && options.attributes & libc::MOUNT_ATTR_RDONLY != 0;
    if options.attributes != 0 {
        hull_sys::mount::set_attributes(&tree, options.attributes, 0, 0, everywhere).step(step)?;
    }
    if options.recursive_attributes != 0 {
        hull_sys::mount::set_attributes(&tree, options.recursive_attributes, 0, 0, true).step(step)?;
    }
    hull_sys::mount::attach(&tree, &target).step(step)
}

fn propagate(rootfs: &Rootfs, destination: &Path, kind: u64) -> Result<()> {
    let step = || format!("set the propagation of {}", destination.display());
    let target = rootfs.find(destination, rustix::fs::OFlags::PATH).step(step)?;
    let recursive = kind & libc::MS_REC != 0;
    hull_sys::mount::set_attributes(&target, 0, 0, kind & !libc::MS_REC, recursive).step(step)
}

/// /sys/fs/cgroup as the host has it: one tree on v2, a tmpfs with a directory per hierarchy on v1 and hybrid. In the
/// container's cgroup namespace each shows the container's cgroup as its root.
fn cgroups(rootfs: &Rootfs, mount: &Mount, options: &Options) -> Result<()> {
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
