//! The user namespace: root inside, yourself outside.
//!
//! In a new user namespace a process has every capability, but only over what that namespace owns:
//! the namespaces created with it or in it. For files of the host, the kernel still checks the id
//! outside. The id map says which id that is: `0 1000 1` means that id 0 inside is id 1000 outside,
//! for a range of one id.

use anyhow::{Context, Result};
use nix::unistd::Pid;

use crate::report;

/// Whether a user namespace is needed. Only root can make the other kinds without one.
pub fn is_needed() -> bool {
    !nix::unistd::geteuid().is_root()
}

/// Maps id 0 inside to the caller's id. Until then the child has the overflow id 65534, "nobody",
/// and an execve would take its capabilities away. That is why the child waits on the sync pipe.
pub fn write(pid: Pid) -> Result<()> {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    // A file's mode can deny a group what it grants to everybody else. Dropping that group by
    // setgroups(2) would get around this, so the kernel accepts a gid map from an unprivileged user
    // only after setgroups is denied; user_namespaces(7).
    write_map(pid, "setgroups", "deny")?;
    // Mapping one's own id takes no privilege outside. Mapping a range takes CAP_SETUID in the
    // parent namespace; unprivileged users get a range with newuidmap(1), a set-user-ID program
    // that reads in /etc/subuid which range belongs to which user.
    write_map(pid, "uid_map", &format!("0 {uid} 1"))?;
    write_map(pid, "gid_map", &format!("0 {gid} 1"))
}

/// Writes one of these files. The kernel accepts only one write to each.
fn write_map(pid: Pid, file: &str, text: &str) -> Result<()> {
    // A second write fails with EPERM for everybody: if the meaning of an id could change, every
    // earlier check would be void.
    let path = format!("/proc/{pid}/{file}");
    std::fs::write(&path, text).with_context(|| format!("write {text:?} to {path}"))?;
    report::trace(format!("write {text:?} to {path}"));
    Ok(())
}
