//! The id mappings of user namespaces (user_namespaces(7)).

use std::os::fd::OwnedFd;

use hull_sys::process::{self, Clone3, Cloned};
use nix::errno::Errno;
use nix::libc;

use crate::error::{self, CloneStep, Result, Step};
use crate::procfs::Procfs;
use crate::protocol::{Channel, Message};
use crate::spec::{IdMapping, Linux};

/// Writes the mappings of the new user namespace that the process `pid` is in.
pub(crate) fn write(pid: i32, linux: &Linux) -> Result<()> {
    write_maps(pid, &linux.uid_mappings, &linux.gid_mappings)
}

/// The kernel accepts a single write to each file, so all lines are written at once.
fn write_maps(pid: i32, uids: &[IdMapping], gids: &[IdMapping]) -> Result<()> {
    let procfs = Procfs::open()?;
    let put = |file: &str, text: &str| procfs.write(format!("{pid}/{file}"), text);
    put("uid_map", &lines(uids)).step(|| format!("map the user ids {}", shown(uids)))?;
    let mut mapped = put("gid_map", &lines(gids));
    if mapped.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::EPERM)) {
        // Without CAP_SETGID a group can be mapped only after setgroups(2) is disabled for good.
        mapped = put("setgroups", "deny").and_then(|()| put("gid_map", &lines(gids)));
    }
    mapped.step(|| format!("map the group ids {}", shown(gids)))
}

fn lines(mappings: &[IdMapping]) -> String {
    mappings.iter().map(|map| format!("{} {} {}\n", map.container_id, map.host_id, map.size)).collect()
}

fn shown(mappings: &[IdMapping]) -> String {
    lines(mappings).trim_end().replace('\n', ", ")
}

/// Called in the child, whose ids have no mapping in the user namespace yet. The kernel refuses to create files for such a
/// process (EOVERFLOW).
pub(crate) fn become_root() -> Result<()> {
    match nix::unistd::setgroups(&[]) {
        // Denied if only one id is mapped. The groups of the host have no mapping then, and count as nobody's.
        Err(Errno::EPERM) => {}
        result => result.step(|| "leave the groups of the host".into())?,
    }
    let root = |kind: &str| format!("become {kind} 0 of the user namespace");
    nix::unistd::setresgid(0.into(), 0.into(), 0.into()).step(|| root("group"))?;
    nix::unistd::setresuid(0.into(), 0.into(), 0.into()).step(|| root("user"))
}

/// A user namespace without processes, for an idmapped mount (mount_setattr(2)). The calling process must have only one thread.
pub fn namespace(uids: &[IdMapping], gids: &[IdMapping]) -> Result<OwnedFd> {
    let (ours, theirs) = Channel::pair()?;
    let request = Clone3 { flags: libc::CLONE_NEWUSER as u64, ..Clone3::default() };
    match process::clone3(&request).clone_step(error::Cloned::UserNamespace)? {
        Cloned::Child => {
            drop(ours);
            // It lives until the parent holds its namespace by a descriptor.
            let _ = theirs.receive();
            process::exit_now(0)
        }
        Cloned::Parent { pid, pidfd } => {
            drop(theirs);
            let opened = write_maps(pid, uids, gids).and_then(|()| {
                let opened = Procfs::open()?.namespace(&pid.to_string(), "user");
                opened.step(|| "open a user namespace for a mount".into())
            });
            let _ = ours.send(&Message::Go);
            let _ = process::reap(std::os::fd::AsFd::as_fd(&pidfd));
            opened
        }
    }
}
