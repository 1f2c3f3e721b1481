//! Another process in a running container.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use hull_sys::process::{self, Clone3, Cloned};
use nix::errno::Errno;
use nix::libc;

use crate::cgroups::Cgroup;
use crate::console;
use crate::create::{Running, end};
use crate::error::{Error, Result, Step};
use crate::hooks::Subject;
use crate::idmap;
use crate::init::{self, Rights};
use crate::namespaces;
use crate::protocol::{Channel, Message};
use crate::security::seccomp::Program;
use crate::spec::{Process, Spec};
use crate::stdio::Stdio;

/// A running container.
#[derive(Debug)]
pub struct ExecTarget<'a> {
    pub id: &'a str,
    /// The directory of its bundle.
    pub bundle: &'a Path,
    pub pid: i32,
    pub pidfd: BorrowedFd<'a>,
    pub cgroup: Option<&'a Cgroup>,
    pub spec: &'a Spec,
    pub seccomp_cache: Option<&'a Path>,
    /// So many descriptors from 3 on go to the program.
    pub preserved_fds: u32,
}

/// Runs `process` in the container's namespaces and cgroup, as a child of the caller, which has one thread and makes
/// no other children afterwards: they would be born in the container's pid namespace too. With a terminal its other
/// end is returned.
pub fn exec(
    target: ExecTarget<'_>,
    user_process: &Process,
    stdio: Stdio,
) -> Result<(Running, Option<OwnedFd>)> {
    let filter = init::compile(target.spec, target.seccomp_cache)?;
    let (ours, theirs) = Channel::pair()?;
    let directory = target.cgroup.and_then(Cgroup::open_dir);
    // The child is born in sight of the container: nobody inside may look through its /proc/PID/fd, or trace it.
    process::set_dumpable(false).step(|| "hide from the container".into())?;
    let joined = namespaces::of(target.spec)
        .iter()
        .fold(0, |flags, namespace| flags | namespaces::flag(namespace.kind));
    let joined = join_pid_namespace(target.pidfd, joined)?;
    // Inherited by the child, until the cgroup that it is born in has other CPUs.
    let affinity = user_process.exec_cpu_affinity.as_ref();
    init::set_affinity(affinity.and_then(|affinity| affinity.initial.as_deref()))?;
    let request = Clone3 { cgroup: directory.as_ref().map(AsFd::as_fd), ..Clone3::default() };
    match process::clone3(&request).step(|| "clone the process".into())? {
        Cloned::Child => {
            drop(ours);
            drop(directory);
            let Err(error) = enter(&target, user_process, &stdio, filter.as_ref(), &theirs, joined);
            let _ = theirs.send(&Message::Failed(error));
            process::exit_now(1)
        }
        Cloned::Parent { pid, pidfd } => {
            drop(theirs);
            match converse(&ours) {
                Ok(console) => Ok((Running { pid, pidfd, cgroup: None }, console)),
                Err(error) => {
                    // The container's first process cannot end before this one is collected (pid_namespaces(7)), and
                    // nobody but us is sure to do that.
                    end(&pidfd);
                    Err(error)
                }
            }
        }
    }
}

/// For the caller's next child; which namespaces are left for it to join itself. An ordinary user has rights over the pid
/// namespace in the container's user namespace only: there the caller goes along.
fn join_pid_namespace(container: BorrowedFd<'_>, joined: i32) -> Result<i32> {
    let (user, pid) = (joined & libc::CLONE_NEWUSER, joined & libc::CLONE_NEWPID);
    let step = || "join the container's pid namespace".to_owned();
    if pid == 0 {
        return Ok(joined);
    }
    match process::setns(container, pid) {
        Err(Errno::EPERM) if user != 0 => {
            process::setns(container, user | pid).step(step)?;
            idmap::become_root()?;
            Ok(joined & !user & !pid)
        }
        done => done.step(step).map(|()| joined & !pid),
    }
}

/// Until the process is the user's program; the other end of its terminal, if it has one.
fn converse(channel: &Channel) -> Result<Option<OwnedFd>> {
    let mut console = None;
    loop {
        match channel.receive()? {
            Some(Message::Console(master)) => console = Some(master),
            Some(Message::Failed(error)) => return Err(error),
            Some(_) => return Err(Error::InitDied),
            None => return Ok(console),
        }
    }
}

fn enter(
    target: &ExecTarget<'_>,
    user_process: &Process,
    stdio: &Stdio,
    filter: Option<&Program>,
    channel: &Channel,
    joined: i32,
) -> Result<std::convert::Infallible> {
    nix::unistd::setsid().step(|| "start a session".into())?;
    process::join_new_session_keyring().or_else(init::absent).step(|| "start a session keyring".into())?;
    init::set_oom_score(user_process)?;
    // While the host's cgroup mounts are still in sight.
    target.cgroup.map_or(Ok(()), Cgroup::enter)?;
    let affinity = user_process.exec_cpu_affinity.as_ref();
    init::set_affinity(affinity.and_then(|affinity| affinity.last.as_deref()))?;
    let rights = Rights::prepare(user_process, filter, subject(target)?)?;
    let shared_root = shared_root(target)?;
    process::setns(target.pidfd, joined).step(|| "join the container's namespaces".into())?;
    if let Some(root) = shared_root {
        let step = || "enter the container's root".to_owned();
        nix::unistd::fchdir(root).step(step)?;
        nix::unistd::chroot(".").step(step)?;
    }
    if joined & libc::CLONE_NEWUSER != 0 {
        idmap::become_root()?;
    }
    if user_process.terminal {
        let dev = std::fs::File::open("/dev").step(|| "open /dev".into())?;
        let size = user_process.console_size.map(|size| (size.height, size.width));
        let console = console::open(&dev, size)?;
        channel.send(&Message::Console(console.master))?;
        console::install(&console.slave, user_process.user.uid)?;
    } else {
        stdio.install()?;
    }
    init::set_schedule(user_process, &target.spec.linux.clone().unwrap_or_default())?;
    init::set_limits(user_process)?;
    rights.take()?;
    // Before anything is looked for by a name of the container's; see the create path.
    process::close_all_but(3 + target.preserved_fds, &[channel.as_fd()])
        .step(|| "close inherited descriptors".into())?;
    let program = init::find(user_process)?;
    init::execute(&program, user_process, target.preserved_fds)
}

fn subject<'a>(target: &ExecTarget<'a>) -> Result<Subject<'a>> {
    let pid = init::pid_on_the_host(target.spec)?;
    Ok(Subject { id: target.id, bundle: target.bundle, spec: target.spec, pid })
}

/// A root that a mount namespace does not have by itself; see [`crate::rootfs::enter_shared`].
fn shared_root(target: &ExecTarget<'_>) -> Result<Option<std::fs::File>> {
    if namespaces::owns_mounts(target.spec) {
        return Ok(None);
    }
    let path = format!("/proc/{}/root", target.pid);
    std::fs::File::open(&path).map(Some).step(|| format!("open {path}"))
}
