//! User namespaces: who is who inside (user_namespaces(7)).

use std::os::fd::OwnedFd;

use hull_sys::process::{self, Clone3, Cloned};
use nix::errno::Errno;
use nix::libc;

use crate::error::{Result, Step};
use crate::namespaces;
use crate::procfs::Procfs;
use crate::protocol::{Channel, Message};
use crate::spec::{IdMapping, Linux, NamespaceKind, Spec};

/// A container in a user namespace other than ours, new or joined.
pub(crate) fn is_asked(spec: &Spec) -> bool {
    namespaces::of(spec).iter().any(|namespace| namespace.kind == NamespaceKind::User)
}

/// The mappings of a new one.
pub(crate) fn write(pid: i32, linux: &Linux) -> Result<()> {
    write_maps(pid, &linux.uid_mappings, &linux.gid_mappings)
}

/// Each file can be written once, with all lines in one write.
fn write_maps(pid: i32, uids: &[IdMapping], gids: &[IdMapping]) -> Result<()> {
    let procfs = Procfs::open()?;
    let put = |file: &str, text: &str| procfs.write(format!("{pid}/{file}"), text);
    put("uid_map", &lines(uids)).step(|| format!("map the user ids {}", shown(uids)))?;
    let mut mapped = put("gid_map", &lines(gids));
    if mapped.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::EPERM)) {
        // Without CAP_SETGID a group may be mapped only where groups can no more be dropped.
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

/// In the child: until now it had all rights in its user namespace and was nobody in it, whose files the kernel refuses
/// to make there (EOVERFLOW).
pub(crate) fn become_root() -> Result<()> {
    match nix::unistd::setgroups(&[]) {
        // Denied where a single id is mapped; the groups are then nobody's inside.
        Err(Errno::EPERM) => {}
        result => result.step(|| "leave the groups of the host".into())?,
    }
    let root = |kind: &str| format!("become {kind} 0 of the user namespace");
    nix::unistd::setresgid(0.into(), 0.into(), 0.into()).step(|| root("group"))?;
    nix::unistd::setresuid(0.into(), 0.into(), 0.into()).step(|| root("user"))
}

/// A user namespace that nobody is in, for an idmapped mount (mount_setattr(2)).
pub(crate) fn namespace(uids: &[IdMapping], gids: &[IdMapping]) -> Result<OwnedFd> {
    let (ours, theirs) = Channel::pair()?;
    let request = Clone3 { flags: libc::CLONE_NEWUSER as u64, ..Clone3::default() };
    match process::clone3(&request).step(|| "clone a user namespace for a mount".into())? {
        Cloned::Child => {
            drop(ours);
            // Until its namespace is held by a descriptor.
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
