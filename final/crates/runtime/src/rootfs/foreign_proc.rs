//! A procfs of a pid namespace that this process is not in and must not become visible in.
//!
//! Since Linux 6.18 the namespace is a mount option. On older kernels a procfs shows the pid namespace of the process that
//! opens it (fsopen(2)), so a helper process is cloned into the namespace. Processes there can control the helper, so it has
//! an empty root in a mount namespace of its own, no descriptor except its socket, no capability except CAP_SYS_ADMIN, and a
//! seccomp filter that allows only to open a file system, to send the descriptor and to exit.

use std::os::fd::{AsFd, OwnedFd};

use hull_sys::process::{self, Clone3, Cloned, Fork, SingleThreaded};
use nix::libc;
use nix::mount::MntFlags;
use nix::sched::CloneFlags;
use rustix::process::WaitOptions;

use super::{file_systems, options};
use crate::error::{self, CloneStep, Error, Result, Step};
use crate::protocol::{Channel, Message};
use crate::security::{capabilities, seccomp};
use crate::spec::{Seccomp, SyscallRule};

/// The system calls of the helper inside, and the one that clones it.
const CALLS: &[&str] = &["clone", "fsopen", "sendmsg", "exit_group"];

/// The file system's context (fsopen(2)), which the caller configures and mounts.
pub(super) fn open(pid_namespace: &OwnedFd) -> Result<OwnedFd> {
    let step = || "open a proc file system of the joined pid namespace".to_owned();
    let context = file_systems::open("proc").step(step)?;
    match rustix::mount::fsconfig_set_fd(&context, "pidns", pid_namespace) {
        Ok(()) => Ok(context),
        Err(rustix::io::Errno::INVAL) => open_inside(pid_namespace),
        Err(errno) => Err(errno).step(step),
    }
}

fn open_inside(pid_namespace: &OwnedFd) -> Result<OwnedFd> {
    // The next child has to be in the current pid namespace, and not in the joined one.
    if !is_ours("pid_for_children", "pid") {
        let why = "a joined pid namespace beside a user namespace needs Linux 6.18 (procfs, pidns=)";
        return Err(Error::Invalid(why.into()));
    }
    let (ours, theirs) = Channel::pair()?;
    match process::clone3(&Clone3::default()).clone_step(error::Cloned::Helper)? {
        Cloned::Child => {
            drop(ours);
            let sent = match clone_inside(pid_namespace, &theirs) {
                Ok(context) => theirs.send(&Message::Opened(context)),
                Err(error) => theirs.send(&Message::Failed(error)),
            };
            process::exit_now(i32::from(sent.is_err()))
        }
        Cloned::Parent { pidfd, .. } => {
            drop(theirs);
            process::reap(pidfd.as_fd()).step(|| "collect a helper".into())?;
            let answer = ours.expect();
            // Reap the helper's sibling inside, which is the only other child of this process.
            let _ = rustix::io::retry_on_intr(|| rustix::process::wait(WaitOptions::empty()));
            match answer? {
                Message::Opened(context) => Ok(context),
                _ => Err(Error::InitDied),
            }
        }
    }
}

fn is_ours(one: &str, other: &str) -> bool {
    let link = |name: &str| std::fs::read_link(format!("/proc/self/ns/{name}")).ok();
    link(one) == link(other)
}

/// Called in the helper. Returns in the process that it clones inside, with the file system context that it has opened.
fn clone_inside(pid_namespace: &OwnedFd, channel: &Channel) -> Result<OwnedFd> {
    process::setns(pid_namespace.as_fd(), libc::CLONE_NEWPID).step(|| "join the pid namespace".into())?;
    enter_empty_root()?;
    process::close_all_but(0, &[channel.as_fd()]).step(|| "close inherited descriptors".into())?;
    capabilities::keep_admin_only()?;
    process::set_dumpable(false).step(|| "hide from the container".into())?;
    process::set_no_new_privileges().step(|| "set no_new_privs".into())?;
    let names = CALLS.iter().map(|name| name.to_string()).collect();
    let rule = SyscallRule { names, action: "SCMP_ACT_ALLOW".into(), ..SyscallRule::default() };
    let policy =
        Seccomp { default_action: "SCMP_ACT_ERRNO".into(), syscalls: vec![rule], ..Seccomp::default() };
    let alone = SingleThreaded::check().step(|| "check that there is only one thread".into())?;
    seccomp::compile(&policy)?.load().step(|| "load a seccomp filter".into())?;
    process::forget_environment(alone);
    match process::fork_sibling(alone).clone_step(error::Cloned::Helper)? {
        Fork::Child => file_systems::open("proc").step(|| "open a proc file system".into()),
        Fork::Parent { .. } => process::exit_now(0),
    }
}

/// A root with nothing in it, in a mount namespace with nothing but it.
fn enter_empty_root() -> Result<()> {
    let step = || "enter an empty root".to_owned();
    nix::sched::unshare(CloneFlags::CLONE_NEWNS).step(step)?;
    let empty = file_systems::create("tmpfs", "tmpfs", &options::parse(&[])).step(step)?;
    // Any directory of the mounts that were copied.
    let covered = std::fs::File::open("/proc").step(step)?;
    hull_sys::mount::attach(&empty, &covered).step(step)?;
    nix::unistd::fchdir(&empty).step(step)?;
    nix::unistd::pivot_root(".", ".").step(step)?;
    nix::mount::umount2(".", MntFlags::MNT_DETACH).step(step)?;
    nix::unistd::chdir("/").step(step)
}
