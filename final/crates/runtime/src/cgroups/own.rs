//! The caller's own cgroup on v2: whether cgroups may be made in it, and moving its processes into a leaf so that they
//! can.
//!
//! ```text
//! <own>            passes controllers on, and therefore holds no process itself: cgroup-v2.rst, "No Internal Processes"
//!   init/          the processes that were in it before, hull included
//!   hull-…/<id>/   a container
//! ```
//! Other engines use the same name in containers, where processes have to leave the cgroup namespace's root in the same
//! way.

use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::files::{self, Error};
use super::{Layout, Result};

/// The name of the leaf for the processes.
const LEAF: &str = "init";

/// How many times to repeat the move for processes that were forked meanwhile.
const ROUNDS: u32 = 20;

/// The cgroup in which an unprivileged user's containers can be made: the caller's own, if it is delegated to the user
/// (cgroup-v2.rst, "Model of Delegation"). A path from the hierarchy's root; v1 cannot be delegated.
pub fn delegated(layout: &Layout) -> Option<String> {
    let Layout::V2 { mount } = layout else { return None };
    let own = own_path()?;
    // An earlier command has moved the caller into the leaf, so new cgroups are made beside it.
    let above = own.strip_suffix(LEAF).and_then(|above| above.strip_suffix('/'));
    let path = above.filter(|above| is_ours(mount, above)).unwrap_or(&own);
    is_ours(mount, path).then(|| path.to_owned())
}

/// From the root of the cgroup namespace; `None` outside of it.
fn own_path() -> Option<String> {
    let text = files::read(Path::new("/proc/self/cgroup")).ok()?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    (!path.starts_with("..")).then(|| path.to_owned())
}

/// Whether the caller may make cgroups there, enable controllers, and move processes into it.
fn is_ours(mount: &Path, path: &str) -> bool {
    use rustix::fs::{Access, access};
    let directory = mount.join(path);
    let files = ["", "cgroup.procs", "cgroup.subtree_control"];
    files.iter().all(|file| access(directory.join(file), Access::WRITE_OK).is_ok())
}

/// Moves the processes of a cgroup that is about to enable controllers into a leaf below it. This is done only if the caller
/// is one of them, and for an unprivileged user only if all of them are the user's.
///
/// It has to come before the first controller is passed on: with processes in the cgroup the kernel accepts some
/// controllers, such as pids, and makes the cgroup a threaded domain, which cannot hold a container.
pub(super) fn make_room(directory: &Path) -> Result<()> {
    // The hierarchy's real root has no such file, and may hold processes.
    if !directory.join("cgroup.type").exists() || pids(directory)?.is_empty() {
        return Ok(());
    }
    let refused = |why: &str| Error::NoRoom { directory: directory.to_owned(), why: why.to_owned() };
    let pids_here = pids(directory)?;
    if !pids_here.contains(&std::process::id()) {
        return Err(refused("there are processes in it"));
    }
    if hull_sys::id_map::in_user_namespace() && !pids_here.iter().all(|pid| is_users(*pid)) {
        return Err(refused("there are processes of other users in it"));
    }
    let leaf = directory.join(LEAF);
    files::make_dir(&leaf)?;
    for _ in 0..ROUNDS {
        let here = pids(directory)?;
        if here.is_empty() {
            return Ok(());
        }
        here.into_iter().try_for_each(|pid| move_to(&leaf, pid))?;
    }
    Err(refused("new processes come faster than they can be moved out of it"))
}

fn move_to(leaf: &Path, pid: u32) -> Result<()> {
    match files::write(&leaf.join("cgroup.procs"), &pid.to_string()) {
        // It has ended.
        Err(Error::Write { errno: Errno::ESRCH, .. }) => Ok(()),
        moved => moved,
    }
}

/// A process outside of the caller's pid namespace shows as 0, and cannot be moved.
fn pids(directory: &Path) -> Result<Vec<u32>> {
    let text = files::read(&directory.join("cgroup.procs"))?;
    Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
}

/// Reads the owner from its status: the directory in /proc of a process that is not dumpable belongs to root.
fn is_users(pid: u32) -> bool {
    let path = PathBuf::from(format!("/proc/{pid}/status"));
    let own = rustix::process::getuid().to_string();
    match files::read(&path) {
        Ok(status) => status
            .lines()
            .find_map(|line| line.strip_prefix("Uid:"))
            .is_some_and(|ids| ids.split_whitespace().next() == Some(&own)),
        // It has ended.
        Err(_) => !path.exists(),
    }
}
