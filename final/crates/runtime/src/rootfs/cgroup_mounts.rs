//! /sys/fs/cgroup in the host's layout: one tree on v2, a tmpfs with a directory for each hierarchy on v1 and hybrid. In a
//! cgroup namespace each of them shows the container's cgroup as its root. Without one, the container's own cgroups are
//! bind-mounted on v1.

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::libc;
use rustix::fs::{Mode, OFlags};

use super::file_systems;
use super::options::Options;
use super::root::{Kind, Rootfs};
use crate::cgroups::{Cgroup, Layout};
use crate::error::{Result, Step};

/// Mounts the cgroup file systems, and returns the topmost mount.
pub(super) fn mount(
    rootfs: &Rootfs,
    destination: &Path,
    options: &Options,
    visible: Option<&Cgroup>,
) -> Result<OwnedFd> {
    let layout = crate::cgroups::detect()?;
    let step = || format!("mount cgroup on {}", destination.display());
    let target = rootfs.find_or_make(destination, Kind::Directory)?;
    let hierarchies = match &layout {
        Layout::V2 { mount: host } => {
            let made = match file_systems::create("cgroup2", "cgroup", options) {
                Err(refused) if is_refused(&refused) => {
                    clone_cgroup(rootfs, &crate::cgroups::own_v2(host), options)?
                }
                made => made.step(step)?,
            };
            hull_sys::mount::attach(&made, &target).step(step)?;
            return Ok(made);
        }
        Layout::V1 { hierarchies, .. } => hierarchies,
    };
    let writable = Options { data: "mode=755".into(), ..options.writable() };
    let top = file_systems::create("tmpfs", "cgroup", &writable).step(step)?;
    hull_sys::mount::attach(&top, &target).step(step)?;
    for hierarchy in hierarchies {
        let name = hierarchy.name.as_str();
        let step = || format!("mount cgroup on {}", destination.join(name).display());
        rustix::fs::mkdirat(&top, name, Mode::from_raw_mode(0o755)).step(step)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let target = rustix::fs::openat(&top, name, flags, Mode::empty()).step(step)?;
        let made = match visible.and_then(|cgroup| cgroup.directory_in(hierarchy)) {
            Some(directory) => clone_cgroup(rootfs, &directory, options)?,
            None => {
                let data = hierarchy.mount_data.clone();
                let options = Options { data, ..options.clone() };
                match file_systems::create(hierarchy.file_system(), "cgroup", &options) {
                    Err(refused) if is_refused(&refused) => {
                        clone_cgroup(rootfs, &hierarchy.own_directory(), &options)?
                    }
                    made => made.step(step)?,
                }
            }
        };
        hull_sys::mount::attach(&made, &target).step(step)?;
    }
    if options.flags & libc::MS_RDONLY != 0 {
        hull_sys::mount::set_attributes(&top, libc::MOUNT_ATTR_RDONLY, 0, 0, false)
            .step(|| "make the cgroup tree read-only".into())?;
    }
    Ok(top)
}

/// True if the kernel refuses to mount a hierarchy: a process in a user namespace may mount one only from a cgroup namespace
/// that its user namespace owns (cgroup_namespaces(7)). The container's own cgroup is bind-mounted then.
fn is_refused(errno: &Errno) -> bool {
    *errno == Errno::EPERM
}

fn clone_cgroup(rootfs: &Rootfs, directory: &Path, options: &Options) -> Result<OwnedFd> {
    let step = || format!("bind the cgroup {}", directory.display());
    let path = CString::new(directory.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL).step(step)?;
    let tree = hull_sys::mount::clone_tree(rootfs, &path, false).step(step)?;
    hull_sys::mount::set_attributes(&tree, options.attributes, options.clear(), 0, false).step(step)?;
    Ok(tree)
}
