//! Another process in a running container.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use hull_sys::process::{self, Clone3, Cloned, SingleThreaded};
use nix::libc;

use crate::arrival::{self, Arrived};
use crate::cgroups::Cgroup;
use crate::console;
use crate::create::{Running, end};
use crate::error::{Error, Result, Step};
use crate::hooks::Subject;
use crate::idmap;
use crate::init::{self, Executable, Rights};
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

/// Runs `process` in the container's namespaces and cgroup, as a child of the caller, which has one thread. With a terminal
/// its other end is returned.
pub fn exec(
    target: ExecTarget<'_>,
    user_process: &Process,
    stdio: Stdio,
) -> Result<(Running, Option<OwnedFd>)> {
    let filter = init::compile(target.spec, target.seccomp_cache)?;
    let (ours, theirs) = Channel::pair()?;
    let directory = target.cgroup.and_then(|cgroup| cgroup.open_dir_beside(target.pid));
    // Inherited by the child, until the cgroup that it is born in has other CPUs.
    let affinity = user_process.exec_cpu_affinity.as_ref();
    init::set_affinity(affinity.and_then(|affinity| affinity.initial.as_deref()))?;
    let request = Clone3 { cgroup: directory.as_ref().map(AsFd::as_fd), ..Clone3::default() };
    match process::clone3(&request).step(|| "clone the process".into())? {
        Cloned::Child => {
            drop(ours);
            drop(directory);
            let Err(error) = enter(&target, user_process, &stdio, filter.as_ref(), &theirs);
            let _ = theirs.send(&Message::Failed(error));
            process::exit_now(1)
        }
        Cloned::Parent { pid, pidfd } => {
            drop(theirs);
            let Arrived { pid, pidfd, console } = arrival::await_arrival(&ours, (pid, pidfd))?;
            match give_policy(&target, user_process, pid, &ours).and_then(|()| await_execution(&ours)) {
                Ok(()) => Ok((Running { pid, pidfd, cgroup: None }, console)),
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

/// To the process inside, where it could not inherit its scheduling policy and waits for it.
fn give_policy(target: &ExecTarget<'_>, user_process: &Process, pid: i32, channel: &Channel) -> Result<()> {
    if init::is_policy_inherited(user_process) {
        return Ok(());
    }
    init::set_policy(user_process, target.spec, Some(pid))?;
    channel.send(&Message::Go)
}

/// Until the process is the user's program.
fn await_execution(channel: &Channel) -> Result<()> {
    match channel.receive()? {
        None => Ok(()),
        Some(Message::Failed(error)) => Err(error),
        Some(_) => Err(Error::InitDied),
    }
}

/// All of it happens outside the container's pid namespace; see [`crate::arrival`].
fn enter(
    target: &ExecTarget<'_>,
    user_process: &Process,
    stdio: &Stdio,
    filter: Option<&Program>,
    channel: &Channel,
) -> Result<std::convert::Infallible> {
    process::join_new_session_keyring().or_else(init::absent).step(|| "start a session keyring".into())?;
    init::set_oom_score(user_process)?;
    // While the host's cgroup mounts are still in sight.
    target.cgroup.map_or(Ok(()), Cgroup::enter)?;
    init::set_final_affinity(user_process.exec_cpu_affinity.as_ref())?;
    let rights = Rights::prepare(user_process, filter, subject(target)?)?;
    join(target)?;
    if user_process.terminal {
        let dev = console::dev()?;
        let size = user_process.console_size.map(|size| (size.height, size.width));
        let console = console::open(&dev, size, stdio)?;
        channel.send(&Message::Console(console.master))?;
        console::install(&console.slave, user_process.user.uid)?;
    } else {
        stdio.install()?;
    }
    init::set_schedule(user_process, &target.spec.linux.clone().unwrap_or_default())?;
    let has_policy = init::is_policy_inherited(user_process);
    if has_policy {
        init::set_policy(user_process, target.spec, None)?;
    }
    init::set_limits_of_parent(user_process)?;
    // Before anything is looked for by a name of the container's; see the create path.
    let kept: Vec<_> = rights.descriptors().chain([channel.as_fd()]).collect();
    process::close_all_but(3 + target.preserved_fds, &kept).step(|| "close inherited descriptors".into())?;
    let user_process = &init::with_environment(user_process);
    let mut filter = rights.take()?;
    let program = init::find(user_process)?;
    let program = Executable::prepare(program, user_process, target.preserved_fds)?;
    let alone = SingleThreaded::check().step(|| "check that there is only one thread".into())?;
    let calls = match has_policy {
        true => arrival::calls(user_process),
        false => arrival::calls_until_started(user_process),
    };
    filter.load_before_others_see(&calls)?;
    arrival::arrive(channel, user_process, alone)?;
    if !has_policy {
        channel.await_go()?;
    }
    filter.load()?;
    program.execute()
}

/// Joins the container's namespaces, all or none; the pid namespace takes effect for the next child (setns(2)). In a
/// user
/// namespace the container's other namespaces may belong to that one, over which we have rights in it alone.
fn join(target: &ExecTarget<'_>) -> Result<()> {
    let shared_root = shared_root(target)?;
    let kinds = namespaces::of(target.spec).iter();
    let joined = kinds.fold(0, |flags, namespace| flags | namespaces::flag(namespace.kind));
    process::set_dumpable(false).step(|| "hide from the container".into())?;
    process::setns(target.pidfd, joined).step(|| "join the container's namespaces".into())?;
    if let Some(root) = shared_root {
        let step = || "enter the container's root".to_owned();
        nix::unistd::fchdir(root).step(step)?;
        nix::unistd::chroot(".").step(step)?;
    }
    match joined & libc::CLONE_NEWUSER {
        0 => Ok(()),
        _ => idmap::become_root(),
    }
}

fn subject<'a>(target: &ExecTarget<'a>) -> Result<Subject<'a>> {
    let pid = init::pid_on_the_host(target.spec)?;
    Ok(Subject { id: target.id, bundle: target.bundle, spec: target.spec, pid, env: &[] })
}

/// A root that a mount namespace does not have by itself; see [`crate::rootfs::enter_shared`].
fn shared_root(target: &ExecTarget<'_>) -> Result<Option<std::fs::File>> {
    if namespaces::owns_mounts(target.spec) {
        return Ok(None);
    }
    let path = format!("/proc/{}/root", target.pid);
    std::fs::File::open(&path).map(Some).step(|| format!("open {path}"))
}
