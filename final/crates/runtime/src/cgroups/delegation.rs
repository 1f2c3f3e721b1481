//! Handing a cgroup to the root of a container's user namespace, so that an init in the container can make cgroups of its own.
//!
//! Only the directory and the files that the kernel allows to delegate are given away (cgroup-v2.rst, "Model of
//! Delegation"; runtime-spec, "Cgroup ownership"). The files with the cgroup's limits still belong to the host's root,
//! so the container cannot raise them.

use std::path::Path;

use nix::errno::Errno;
use rustix::fs::{Gid, Uid};

use super::files::Error;
use super::{Cgroup, Result};

/// The files that the kernel lists in /sys/kernel/cgroup/delegate, and `tasks` of v1.
const FILES: [&str; 6] = [
    "cgroup.procs",
    "cgroup.threads",
    "cgroup.subtree_control",
    "memory.oom.group",
    "memory.reclaim",
    "tasks",
];

impl Cgroup {
    /// Gives the cgroup to a user and a group of the host, in every hierarchy.
    pub fn delegate(&self, uid: u32, gid: u32) -> Result<()> {
        for directory in self.directories().filter(|directory| directory.is_dir()) {
            give(&directory, uid, gid)?;
            for file in FILES {
                match give(&directory.join(file), uid, gid) {
                    // Not every version of cgroups and of the kernel has all of these files.
                    Err(Error::Call { errno: Errno::ENOENT, .. }) => {}
                    given => given?,
                }
            }
        }
        Ok(())
    }
}

fn give(path: &Path, uid: u32, gid: u32) -> Result<()> {
    let (user, group) = (Uid::from_raw(uid), Gid::from_raw(gid));
    rustix::fs::chown(path, Some(user), Some(group)).map_err(|errno| Error::Call {
        action: "give to the container's root",
        path: path.to_owned(),
        errno: Errno::from_raw(errno.raw_os_error()),
    })
}
