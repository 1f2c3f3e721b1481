//! File systems that hull mounts, and those of storage pools.

use std::fs::File;
use std::path::{Path, PathBuf};

use hull_runtime::spec::IdMapping;
use hull_sys::mount::{clone_tree, enter_slave_namespace, map_ids};
use nix::mount::{MsFlags, mount};
use rustix::fs::{Mode, OFlags};
use rustix::mount::{FsOpenFlags, fsconfig_set_string, fsopen};

use super::reason::text;
use super::{Attempt, Check, Need, Patient, Tried};

/// The directory on which a check mounts, in its own mount namespace. Every system has it.
const PLACE: &str = "/proc";

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "overlay",
        need: Need::Root,
        purpose: "every container of root: what it writes lies above the image's layers",
        fix: "modprobe overlay",
        attempt: Attempt::Plain(|_| root_only().and_then(|()| overlay(""))),
    },
    Check {
        name: "overlay in a user namespace",
        need: Need::User,
        purpose: "containers of unprivileged users",
        fix: "Linux 5.11",
        attempt: Attempt::Plain(|_| {
            crate::rootless::enter_with_one_id()?;
            overlay(",userxattr")
        }),
    },
    Check {
        name: "many layers",
        need: Need::Nobody,
        purpose: "containers with more layers and snapshots than about a hundred",
        fix: "Linux 6.5 (lowerdir+)",
        attempt: Attempt::Privileged(|_| {
            let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).map_err(text)?;
            fsconfig_set_string(&context, "lowerdir+", "/").map_err(text)
        }),
    },
    Check {
        name: "idmapped mounts",
        need: Need::Nobody,
        purpose: "--system, hull launch and --userns of root: a container's ids without a copy of its files",
        fix: "Linux 5.19, and a file system that has them below hull's root: ext4, xfs or btrfs; tmpfs from Linux 6.3 on",
        attempt: Attempt::Plain(idmapped),
    },
    Check {
        name: "tmpfs",
        need: Need::Everybody,
        purpose: "every container's /dev and /dev/shm",
        fix: "a kernel that is built with CONFIG_TMPFS",
        attempt: Attempt::Privileged(|_| own_place().and_then(|()| mount_at(PLACE, "tmpfs", ""))),
    },
    Check {
        name: "mqueue",
        need: Need::Everybody,
        purpose: "every container's /dev/mqueue",
        fix: "a kernel that is built with CONFIG_POSIX_MQUEUE",
        attempt: Attempt::Privileged(|_| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWIPC).map_err(text)?;
            own_place().and_then(|()| mount_at(PLACE, "mqueue", ""))
        }),
    },
    pool("btrfs", "storage pools of the driver btrfs, and of image with btrfs"),
    pool("xfs", "storage pools of the driver image"),
    Check {
        name: "loop devices",
        need: Need::Nobody,
        purpose: "storage pools of the driver image",
        fix: "modprobe loop",
        attempt: Attempt::Plain(|_| opens("/dev/loop-control")),
    },
    Check {
        name: "fuse",
        need: Need::Nobody,
        purpose: "lxcfs, and file systems in containers that get /dev/fuse",
        fix: "modprobe fuse",
        attempt: Attempt::Plain(|_| opens("/dev/fuse")),
    },
];

const fn pool(name: &'static str, purpose: &'static str) -> Check {
    let fix = "modprobe with its name, or a kernel that is built with it";
    Check { name, need: Need::Nobody, purpose, fix, attempt: Attempt::Named(known) }
}

/// Whether the kernel knows a file system. fsopen(2) loads the file system's module, if there is one.
fn known(name: &str) -> Tried {
    match fsopen(name, FsOpenFlags::FSOPEN_CLOEXEC) {
        Err(rustix::io::Errno::NODEV) => Err("the kernel does not know it, and has no module for it".into()),
        opened => opened.map(drop).map_err(text),
    }
}

fn opens(device: &str) -> Tried {
    File::options().read(true).write(true).open(device).map(drop).map_err(text)
}

fn root_only() -> Tried {
    match crate::rootless::is_root() {
        true => Ok(()),
        false => Err("only root mounts one outside of a user namespace".into()),
    }
}

fn own_place() -> Tried {
    enter_slave_namespace().map_err(text)
}

fn mount_at(place: &str, kind: &str, options: &str) -> Tried {
    mount(Some(kind), place, Some(kind), MsFlags::empty(), Some(options)).map_err(text)
}

/// An overlay whose directories lie on a tmpfs.
fn overlay(options: &str) -> Tried {
    own_place()?;
    mount_at(PLACE, "tmpfs", "")?;
    for name in ["lower", "upper", "work", "merged"] {
        std::fs::create_dir(Path::new(PLACE).join(name)).map_err(text)?;
    }
    let options = format!("lowerdir={PLACE}/lower,upperdir={PLACE}/upper,workdir={PLACE}/work{options}");
    mount_at(&format!("{PLACE}/merged"), "overlay", &options)
}

/// Maps the ids of the directory of containers, or of the nearest one above it: the file system decides whether that
/// works.
fn idmapped(patient: &Patient) -> Tried {
    root_only()?;
    let directory = existing(&patient.data);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(&directory, flags, Mode::empty()).map_err(text)?;
    let ids = [IdMapping { container_id: 0, host_id: 100_000, size: 65536 }];
    let namespace = hull_runtime::user_namespace(&ids, &ids).map_err(|error| error.to_string())?;
    own_place()?;
    let again = rustix::fs::open(&directory, flags, Mode::empty()).map_err(text)?;
    drop(opened);
    let tree = clone_tree(&again, c"", false).map_err(text)?;
    map_ids(&tree, &namespace, false).map_err(|errno| {
        format!(
            "{} on {}: {}",
            directory.display(),
            hull_storage::overlay::file_system_name(&directory),
            text(errno)
        )
    })
}

/// The directory, or the nearest existing one above it.
fn existing(directory: &Path) -> PathBuf {
    directory.ancestors().find(|one| one.is_dir()).unwrap_or(Path::new("/")).to_owned()
}
