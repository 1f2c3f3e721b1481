//! `exec`: another process in a running container.

use std::convert::Infallible;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use hull_sys::process::{self, Clone3, Cloned, SingleThreaded};
use nix::libc;

use crate::cgroups::Cgroup;
use crate::console;
use crate::container::Running;
use crate::environment;
use crate::error::{self, CloneStep, Result, Step};
use crate::hook_state::HookState;
use crate::idmap;
use crate::limits;
use crate::namespaces;
use crate::pid_namespace::{self, ClonedInside};
use crate::privileges::{self, Privileges};
use crate::program::{self, Executable};
use crate::protocol::{Channel, Message};
use crate::scheduling;
use crate::security::seccomp::{Filter, Program};
use crate::spec::{Process, Spec};
use crate::stdio::Stdio;

/// The running container that the process enters.
#[derive(Debug)]
pub struct ExecTarget<'a> {
    pub id: &'a str,
    /// The directory of the container's bundle.
    pub bundle: &'a Path,
    pub pid: i32,
    pub pidfd: BorrowedFd<'a>,
    pub cgroup: Option<&'a Cgroup>,
    /// The name of a cgroup below the container's for this process, which is made if the container's own accepts no
    /// process, or is delegated. The caller removes it ([`Cgroup::remove_leaf`]).
    pub leaf: Option<&'a str>,
    /// Whether the cgroup is delegated to the container's first process ([`Cgroup::delegate`]).
    pub is_delegated: bool,
    pub spec: &'a Spec,
    pub filter: Filter<'a>,
    /// How many descriptors, from 3 on, the program inherits.
    pub preserved_fds: u32,
}

/// Runs a process in the container's namespaces and cgroup, as a child of the caller, which must have only one thread.
/// Returns the terminal's master too, if the process has a terminal.
pub fn exec(
    target: ExecTarget<'_>,
    user_process: &Process,
    stdio: Stdio,
) -> Result<(Running, Option<OwnedFd>)> {
    let filter = target.filter.compile(target.spec)?;
    let (ours, theirs) = Channel::pair()?;
    let directory = target
        .cgroup
        .and_then(|cgroup| cgroup.open_dir_for_exec(target.pid, target.leaf, target.is_delegated));
    // The child inherits the affinity, and the kernel adapts it to the CPUs of the cgroup that the child is cloned into.
    let affinity = user_process.exec_cpu_affinity.as_ref();
    scheduling::set_affinity(affinity.and_then(|affinity| affinity.initial.as_deref()))?;
    let request = Clone3 { cgroup: directory.as_ref().map(AsFd::as_fd), ..Clone3::default() };
    match process::clone3(&request).clone_step(error::Cloned::Inside)? {
        Cloned::Child => {
            drop(ours);
            drop(directory);
            let Err(error) = enter(&target, user_process, &stdio, filter.as_ref(), &theirs);
            let _ = theirs.send(&Message::Failed(error));
            process::exit_now(1)
        }
        Cloned::Parent { pid, pidfd } => {
            drop(theirs);
            let ClonedInside { pid, pidfd, console } = pid_namespace::await_clone(&ours, (pid, pidfd))?;
            match set_policy(&target, user_process, pid, &ours).and_then(|()| ours.await_execution()) {
                Ok(()) => Ok((Running { pid, pidfd, cgroup: None }, console)),
                Err(error) => {
                    // The container's first process cannot end before this one is reaped (pid_namespaces(7)), which only
                    // its parent can do.
                    let killed = process::kill_and_reap(pidfd.as_fd());
                    let killed = killed.step(|| "kill the process that was cloned".into());
                    Err(error.with_cleanup(killed.err().into_iter().collect()))
                }
            }
        }
    }
}

/// Sets the scheduling policy of the process inside if it could not inherit it, and lets it continue.
fn set_policy(target: &ExecTarget<'_>, user_process: &Process, pid: i32, channel: &Channel) -> Result<()> {
    if scheduling::is_policy_inherited(user_process) {
        return Ok(());
    }
    scheduling::set_policy(user_process, target.spec, Some(pid))?;
    channel.send(&Message::Go)
}

/// Called in the child. Everything happens outside the container's pid namespace until the process inside is cloned; see
/// [`crate::pid_namespace`].
fn enter(
    target: &ExecTarget<'_>,
    user_process: &Process,
    stdio: &Stdio,
    filter: Option<&Program>,
    channel: &Channel,
) -> Result<Infallible> {
    privileges::start_session_keyring()?;
    limits::set_oom_score(user_process)?;
    // While the host's cgroup mounts can still be reached.
    target.cgroup.map_or(Ok(()), Cgroup::enter)?;
    scheduling::set_final_affinity(user_process.exec_cpu_affinity.as_ref())?;
    let privileges = Privileges::prepare(user_process, filter, hook_state(target)?)?;
    join(target)?;
    install_streams(user_process, stdio, channel)?;
    scheduling::set(user_process, &target.spec.linux.clone().unwrap_or_default())?;
    let has_policy = scheduling::is_policy_inherited(user_process);
    if has_policy {
        scheduling::set_policy(user_process, target.spec, None)?;
    }
    limits::set_limits_before_clone(user_process)?;
    // Before any name of the container's is looked up, for the reason given in `init`.
    let kept: Vec<_> = privileges.descriptors().chain([channel.as_fd()]).collect();
    process::close_all_but(3 + target.preserved_fds, &kept).step(|| "close inherited descriptors".into())?;
    let user_process = &environment::with_environment(user_process);
    let mut filter = privileges.apply()?;
    let path = program::find(user_process)?;
    let executable = Executable::prepare(path, user_process, target.preserved_fds)?;
    let alone = SingleThreaded::check().step(|| "check that there is only one thread".into())?;
    let calls = match has_policy {
        true => pid_namespace::calls(user_process),
        false => pid_namespace::calls_until_started(user_process),
    };
    filter.load_before_others_see(&calls)?;
    pid_namespace::clone_inside(channel, user_process, alone)?;
    if !has_policy {
        channel.await_go()?;
    }
    filter.load()?;
    executable.execute()
}

/// Sets stdin, stdout and stderr: a new terminal in the container (the parent gets its master), or the caller's own.
fn install_streams(user_process: &Process, stdio: &Stdio, channel: &Channel) -> Result<()> {
    if !user_process.terminal {
        return stdio.install();
    }
    let dev = console::dev()?;
    let size = user_process.console_size.map(|size| (size.height, size.width));
    let console = console::open(&dev, size, stdio)?;
    channel.send(&Message::Console(console.master))?;
    console::install(&console.slave, user_process.user.uid)
}

/// Joins all of the container's namespaces in one call. The pid namespace takes effect for the next child (setns(2)). If
/// there is a user namespace, the container's other namespaces may belong to it, and only a process inside it has
/// privileges over them; the kernel joins the user namespace first.
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

fn hook_state<'a>(target: &ExecTarget<'a>) -> Result<HookState<'a>> {
    let pid = privileges::pid_on_the_host(target.spec)?;
    Ok(HookState { id: target.id, bundle: target.bundle, spec: target.spec, pid, env: &[] })
}

/// The container's root if its processes have entered it by chroot(2), because the container shares its mount namespace;
/// see [`crate::rootfs::enter_shared`].
fn shared_root(target: &ExecTarget<'_>) -> Result<Option<std::fs::File>> {
    if namespaces::owns_mounts(target.spec) {
        return Ok(None);
    }
    let path = format!("/proc/{}/root", target.pid);
    std::fs::File::open(&path).map(Some).step(|| format!("open {path}"))
}
