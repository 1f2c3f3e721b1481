//! The user namespace: root inside, yourself outside.
//!
//! Root is relative. In a new user namespace a process has every capability, but only over what that namespace owns:
//! the namespaces made with it or in it. A file of the host is still checked against who you are outside, and the map
//! says who that is: `0 1000 1` reads "0 inside is 1000 outside, one id long".

use anyhow::{Context, Result};
use nix::unistd::Pid;

use crate::report;

/// Whether we have to be root somewhere else, since we are not here.
pub fn is_needed() -> bool {
    !nix::unistd::geteuid().is_root()
}

/// Maps 0 inside to the caller. Until this is done the child is user 65534, "nobody", which is why it waits on the sync pipe:
/// a program that execs as nobody loses the capabilities it was born with.
pub fn write(pid: Pid) -> Result<()> {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    // A file can deny a group what it grants to everybody else. To drop that group by setgroups(2) would be a way
    // around it, so the kernel takes a gid map from unprivileged users only once that call is off; user_namespaces(7).
    write_map(pid, "setgroups", "deny")?;
    // One line, for one's own id: for that the kernel asks for no power outside. A whole range of ids takes
    // CAP_SETUID over the parent namespace, and an unprivileged user gets it by newuidmap(1), a set-user-ID program
    // which looks up in /etc/subuid whose the range is.
    write_map(pid, "uid_map", &format!("0 {uid} 1"))?;
    write_map(pid, "gid_map", &format!("0 {gid} 1"))
}

/// Each may be written once, in one write.
fn write_map(pid: Pid, file: &str, text: &str) -> Result<()> {
    // A second write is EPERM, whoever tries: an id that meant somebody else halfway through would be a way
    // around every check.
    let path = format!("/proc/{pid}/{file}");
    std::fs::write(&path, text).with_context(|| format!("write {text:?} to {path}"))?;
    report::trace(format!("write {text:?} to {path}"));
    Ok(())
}
