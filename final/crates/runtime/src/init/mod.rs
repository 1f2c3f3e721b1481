//! The container's first process, from the clone to execve(2). Read from top to bottom, it is what a container is.

mod pid1;
mod root;

use std::convert::Infallible;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use hull_sys::process::{self, SingleThreaded};
use nix::libc;

use crate::cgroups::Cgroup;
use crate::console::{self, Console};
use crate::container::{CreateOptions, Prepared};
use crate::environment;
use crate::error::{Error, Result, Step};
use crate::hooks::{self, HookState, Point};
use crate::idmap;
use crate::limits;
use crate::namespaces;
use crate::network_devices;
use crate::pid_namespace;
use crate::privileges::{self, PendingFilter, Privileges};
use crate::procfs::Procfs;
use crate::program::{self, Executable};
use crate::protocol::{Channel, Message};
use crate::rendezvous::{self, TerminationSignals};
use crate::scheduling;
use crate::spec::{Linux, NamespaceKind, Process, Spec};

pub use pid1::serve_as_init;

/// True if the child has to wait until the parent has done something for it.
pub(crate) fn waits_for_parent(spec: &Spec) -> bool {
    let takes_devices = spec.linux.as_ref().is_some_and(|linux| !linux.net_devices.is_empty());
    takes_devices || namespaces::is_new(spec, NamespaceKind::User)
}

/// Becomes the user's program, or reports the error and exits.
pub(crate) fn run(options: &CreateOptions<'_>, prepared: &Prepared, mut channel: Channel) -> ! {
    let Err(error) = become_container(options, prepared, &mut channel);
    // If sending fails, the parent has ended and nobody is interested.
    let _ = channel.send(&Message::Failed(error));
    process::exit_now(1)
}

fn become_container(
    options: &CreateOptions<'_>,
    prepared: &Prepared,
    channel: &mut Channel,
) -> Result<Infallible> {
    let spec = options.spec;
    let user_process = spec.process.as_ref().ok_or_else(|| Error::Invalid("it has no process".into()))?;
    die_with_parent(options)?;
    let own_program = options.init.then(pid1::open_own_program).transpose()?;
    if waits_for_parent(spec) {
        channel.await_go()?;
    }
    separate_from_caller(options, user_process)?;
    // Before the mount and user namespaces change: the files of the cgroups belong to the host's user.
    enter_cgroups(options)?;
    scheduling::set_affinity_to_cgroup();
    let state = HookState { pid: privileges::pid_on_the_host(spec)?, ..hook_state(options) };
    let privileges = Privileges::prepare(user_process, prepared.filter.as_ref(), state)?;

    let rootfs = enter_namespaces(options, prepared)?;
    let console = root::build(options, prepared, rootfs, channel)?;
    install_streams(options, prepared, console, channel)?;
    schedule_and_limit(options, prepared, user_process)?;
    close_others(options, channel, own_program.as_ref(), &privileges)?;

    let user_process = &environment::with_environment(user_process);
    let mut filter = privileges.apply()?;
    // The change of user has cleared it (prctl(2), PR_SET_PDEATHSIG).
    die_with_parent(options)?;
    // Looked up before the container counts as created, so that a missing program is an error of `create`.
    let path = program::find(user_process)?;
    if prepared.pid_namespace.is_some() {
        clone_inside(user_process, &mut filter, channel)?;
        die_with_parent(options)?;
    }
    await_start(options, prepared, &filter, channel)?;
    if hooks::has(spec, Point::StartContainer) {
        // These hooks are confined like the program.
        filter.load_now()?;
        hooks::run(Point::StartContainer, HookState { env: &user_process.env, ..hook_state(options) })?;
    }
    match &own_program {
        Some(own) => pid1::start(own, user_process, &filter, channel),
        None => {
            let executable = Executable::prepare(path, user_process, options.preserved_fds)?;
            filter.load()?;
            executable.execute()
        }
    }
}

/// Joins and sets up the namespaces. Returns the container's root, opened while it can be reached with the privileges of
/// the host's user, or `None` if the container shares its mount namespace.
fn enter_namespaces(options: &CreateOptions<'_>, prepared: &Prepared) -> Result<Option<root::Rootfs>> {
    let spec = options.spec;
    namespaces::join_in_child(spec)?;
    let rootfs = root::open(options, prepared)?;
    if namespaces::has_user(spec) {
        idmap::become_root()?;
    }
    set_host_name(spec)?;
    if namespaces::is_new(spec, NamespaceKind::Network) {
        process::loopback_up().step(|| "bring the loopback interface up".into())?;
    }
    network_devices::set_up(&prepared.devices, true)?;
    if let Some(linux) = &spec.linux {
        set_sysctls(linux)?;
    }
    Ok(rootfs)
}

/// Sets how the program is scheduled and its resource limits. In a joined pid namespace the program's own process is
/// cloned later, and some of this has to wait for it.
fn schedule_and_limit(
    options: &CreateOptions<'_>,
    prepared: &Prepared,
    user_process: &Process,
) -> Result<()> {
    let spec = options.spec;
    let default = Linux::default();
    scheduling::set(user_process, spec.linux.as_ref().unwrap_or(&default))?;
    let Some(pid_namespace) = &prepared.pid_namespace else {
        scheduling::set_policy(user_process, spec, None)?;
        return limits::set_limits(user_process);
    };
    if scheduling::is_policy_inherited(user_process) {
        scheduling::set_policy(user_process, spec, None)?;
    }
    limits::set_limits_before_clone(user_process)?;
    match namespaces::has_user(spec) {
        // It was joined before the user namespace.
        true => Ok(()),
        false => namespaces::join_pid_namespace(Some(pid_namespace)),
    }
}

/// Sets stdin, stdout and stderr of the program: the container's terminal, whose master the parent gets, or the caller's.
fn install_streams(
    options: &CreateOptions<'_>,
    prepared: &Prepared,
    console: Option<Console>,
    channel: &Channel,
) -> Result<()> {
    let Some(console) = console else { return options.stdio.install() };
    channel.send(&Message::Console(console.master))?;
    let uid = options.spec.process.as_ref().map_or(0, |process| process.user.uid);
    console::install(&console.slave, uid)?;
    match prepared.pid_namespace {
        None if options.controls_terminal => console::control(),
        None => Ok(()),
        // The process inside does it, because it starts a session of its own.
        Some(_) => Ok(()),
    }
}

/// Asks the parent, then clones the process inside the joined pid namespace, and returns only in that one.
fn clone_inside(user_process: &Process, filter: &mut PendingFilter<'_>, channel: &mut Channel) -> Result<()> {
    channel.send(&Message::BeforeClone)?;
    channel.await_go()?;
    let alone = SingleThreaded::check().step(|| "check that there is only one thread".into())?;
    filter.load_before_others_see(&pid_namespace::calls_until_started(user_process))?;
    pid_namespace::clone_inside(channel, user_process, alone)
}

/// Tells the parent that everything is set up, and waits until the program is to be started.
fn await_start(
    options: &CreateOptions<'_>,
    prepared: &Prepared,
    filter: &PendingFilter<'_>,
    channel: &mut Channel,
) -> Result<()> {
    // After `Ready` other programs know the container and may send it signals.
    let is_first = prepared.pid_namespace.is_none() && std::process::id() == 1;
    let signals = (is_first && options.rendezvous.is_some()).then(TerminationSignals::block).transpose()?;
    channel.send(&Message::Ready)?;
    match &options.rendezvous {
        Some(listener) => {
            rendezvous::await_start(listener, options.preserved_fds, filter.descriptor(), channel, signals)
        }
        None => channel.await_go(),
    }
}

/// Drops what the process has inherited from the caller and others could see or use: dumpability, umask, session, keyring.
fn separate_from_caller(options: &CreateOptions<'_>, user_process: &Process) -> Result<()> {
    // Before the process becomes undumpable: then the files in /proc/self belong to the initial user namespace's root.
    limits::set_oom_score(user_process)?;
    namespaces::offset_clocks(options.spec)?;
    // Processes in a pid namespace that this one joins, or that join its own, must not read /proc/PID/fd or trace it.
    process::set_dumpable(false).step(|| "hide from the container".into())?;
    // So that files below are made with exactly the modes given, whatever the caller's umask is.
    nix::sys::stat::umask(nix::sys::stat::Mode::empty());
    nix::unistd::setsid().step(|| "start a session".into())?;
    if options.new_keyring {
        privileges::start_session_keyring()?;
    }
    Ok(())
}

/// The state for hooks that run inside, where the pid is the one in the container's own pid namespace.
fn hook_state<'a>(options: &CreateOptions<'a>) -> HookState<'a> {
    let CreateOptions { id, bundle, spec, .. } = *options;
    HookState { id, bundle, spec, pid: std::process::id() as i32, env: &[] }
}

/// Asks the kernel to kill this process when its parent dies. If the parent has died before, the child notices because the
/// parent's `Go` does not come.
fn die_with_parent(options: &CreateOptions<'_>) -> Result<()> {
    if options.parent_death_signal {
        process::set_parent_death_signal(libc::SIGKILL).step(|| "ask to die with the monitor".into())?;
    }
    Ok(())
}

/// Closes the inherited descriptors. Marking them close-on-exec is not enough: execve(2) looks up the program before it
/// closes anything, and a program or working directory named `/proc/self/fd/N/..` would be found through a directory of
/// the host (CVE-2024-21626).
fn close_others(
    options: &CreateOptions<'_>,
    channel: &Channel,
    own_program: Option<&OwnedFd>,
    privileges: &Privileges<'_>,
) -> Result<()> {
    let mut kept = vec![channel.as_fd()];
    kept.extend(privileges.descriptors());
    kept.extend(options.rendezvous.as_ref().map(AsFd::as_fd));
    kept.extend(own_program.map(AsFd::as_fd));
    process::close_all_but(3 + options.preserved_fds, &kept).step(|| "close inherited descriptors".into())
}

fn set_host_name(spec: &Spec) -> Result<()> {
    if let Some(name) = &spec.hostname {
        nix::unistd::sethostname(name).step(|| format!("set the hostname to {name:?}"))?;
    }
    if let Some(name) = &spec.domainname {
        rustix::system::setdomainname(name.as_bytes()).step(|| format!("set the domain name to {name:?}"))?;
    }
    Ok(())
}

/// Writes the sysctls. A write to a namespaced sysctl changes the namespace of the process that writes.
fn set_sysctls(linux: &Linux) -> Result<()> {
    if linux.sysctl.is_empty() {
        return Ok(());
    }
    let procfs = Procfs::open()?;
    for (name, value) in &linux.sysctl {
        let step = || format!("set the sysctl {name} to {value:?}");
        let below = PathBuf::from(name.replace('.', "/"));
        if !below.components().all(|component| matches!(component, Component::Normal(_))) {
            return Err(Error::Invalid(format!("sysctl {name:?}")));
        }
        procfs.write(Path::new("sys").join(below), value).step(step)?;
    }
    Ok(())
}

/// Enters the cgroups, and then the new cgroup namespace, whose root is the cgroup of the process that makes it.
fn enter_cgroups(options: &CreateOptions<'_>) -> Result<()> {
    options.cgroup.as_ref().map_or(Ok(()), Cgroup::enter)?;
    if namespaces::is_new(options.spec, NamespaceKind::Cgroup) {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWCGROUP)
            .step(|| "create a cgroup namespace".into())?;
    }
    Ok(())
}
