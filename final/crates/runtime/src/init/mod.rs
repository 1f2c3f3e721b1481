//! The container's first process, from the clone to `execve`. Read top to bottom, it is what a container is.

mod environment;
mod pid1;
mod program;
mod rights;
mod schedule;

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use hull_sys::process::{self, SingleThreaded};
use nix::libc;

use crate::arrival;
use crate::birth;
use crate::cgroups::Cgroup;
use crate::console::{self, Console};
use crate::create::{CreateOptions, Prepared};
use crate::error::{Error, Result, Step};
use crate::hooks::{self, Point};
use crate::idmap;
use crate::namespaces;
use crate::network_devices;
use crate::procfs::Procfs;
use crate::protocol::{Channel, Message};
use crate::rendezvous::{self, EndingSignals};
use crate::rootfs::{self, Later, Masks, Rootfs, Source};
use crate::security::seccomp::{self, Program};
use crate::spec::{Linux, Namespace, NamespaceKind, Process, Spec};
use crate::stdio::Stdio;

pub(crate) use environment::with_environment;
pub use pid1::serve_as_init;
pub(crate) use program::{Executable, find};
pub(crate) use rights::{
    Filter, Rights, absent, has_process_limit, pid_on_the_host, set_limits, set_limits_of_parent,
    set_oom_score, set_process_limit,
};
pub(crate) use schedule::{
    check as check_schedule, is_inherited as is_policy_inherited, set as set_schedule, set_affinity,
    set_final_affinity, set_policy,
};

/// The spec's filter, compiled in the parent: the child has no view of the cache.
pub(crate) fn compile(spec: &Spec, cache: Option<&Path>) -> Result<Option<Program>> {
    let policy = spec.linux.as_ref().and_then(|linux| linux.seccomp.as_ref());
    policy.map(|policy| seccomp::compile_cached(policy, cache)).transpose()
}

/// True when the parent has something to do for the child before it goes on.
pub(crate) fn waits_for_parent(spec: &Spec) -> bool {
    let takes_devices = spec.linux.as_ref().is_some_and(|linux| !linux.net_devices.is_empty());
    takes_devices || namespaces::is_new(spec, NamespaceKind::User)
}

/// Never returns: becomes the user's program, or says what failed and exits.
pub(crate) fn run(options: &CreateOptions<'_>, prepared: &Prepared, mut channel: Channel) -> ! {
    let Err(error) = become_container(options, prepared, &mut channel);
    // If nobody listens any more nobody can be told.
    let _ = channel.send(&Message::Failed(error));
    process::exit_now(1)
}

fn become_container(
    options: &CreateOptions<'_>,
    prepared: &Prepared,
    channel: &mut Channel,
) -> Result<std::convert::Infallible> {
    let spec = options.spec;
    let user_process = spec.process.as_ref().ok_or_else(|| Error::Invalid("it has no process".into()))?;
    let linux = spec.linux.clone().unwrap_or_default();
    die_with_parent(options)?;
    let own = options.init.then(pid1::open_own_program).transpose()?;
    if waits_for_parent(spec) {
        channel.await_go()?;
    }
    leave_caller(options, user_process)?;

    // With the host's user and mounts: the files of its cgroups are its own.
    enter_cgroups(options)?;
    schedule::set_affinity_to_cgroup();
    let rights = Rights::prepare(user_process, prepared.filter.as_ref(), subject(options, spec)?)?;
    join_namespaces(spec)?;
    let rootfs = open_root(options, prepared, spec)?;
    if idmap::is_asked(spec) {
        idmap::become_root()?;
    }
    name_host(spec)?;
    if namespaces::is_new(spec, NamespaceKind::Network) {
        process::loopback_up().step(|| "bring the loopback interface up".into())?;
    }
    network_devices::set_up(&prepared.devices, true)?;
    set_sysctls(&linux)?;

    let console = build_root(options, prepared, rootfs, channel)?;
    install_streams(options, prepared, console, channel)?;
    schedule::set(user_process, &linux)?;
    if prepared.pid_namespace.is_none() || schedule::is_inherited(user_process) {
        schedule::set_policy(user_process, spec, None)?;
    }
    if prepared.pid_namespace.is_none() {
        set_limits(user_process)?;
    } else {
        set_limits_of_parent(user_process)?;
        // With a user namespace it was joined earlier.
        if !idmap::is_asked(spec) {
            birth::join_pid_namespace(prepared)?;
        }
    }
    close_others(options, channel, own.as_ref(), &rights)?;
    let user_process = &with_environment(user_process);
    let mut filter = rights.take()?;
    die_with_parent(options)?;
    let program = find(user_process)?;
    if prepared.pid_namespace.is_some() {
        arrive(user_process, &mut filter, channel)?;
        die_with_parent(options)?;
    }
    await_start(options, prepared, &filter, channel)?;
    if hooks::has(spec, Point::StartContainer) {
        filter.load_now()?;
        let subject = hooks::Subject { env: &user_process.env, ..inside(options, spec) };
        hooks::run(Point::StartContainer, subject)?;
    }
    match &own {
        Some(own) => pid1::start(own, user_process, &filter, channel),
        None => {
            let program = Executable::prepare(program, user_process, options.preserved_fds)?;
            filter.load()?;
            program.execute()
        }
    }
}

/// stdin, stdout and stderr of the program: the container's terminal, whose other end the parent gets, or the caller's.
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
        None => console::control(),
        // The process inside does it, in a session of its own.
        Some(_) => Ok(()),
    }
}

/// Clones the process inside the joined pid namespace, once the parent agrees, and returns in that one.
fn arrive(user_process: &Process, filter: &mut Filter<'_>, channel: &mut Channel) -> Result<()> {
    channel.send(&Message::Arriving)?;
    channel.await_go()?;
    let alone = SingleThreaded::check().step(|| "check that there is only one thread".into())?;
    filter.load_before_others_see(&arrival::calls_until_started(user_process))?;
    arrival::arrive(channel, user_process, alone)
}

/// Tells the parent that all is set up, and waits until the program is to start.
fn await_start(
    options: &CreateOptions<'_>,
    prepared: &Prepared,
    filter: &Filter<'_>,
    channel: &mut Channel,
) -> Result<()> {
    // From here on others know the container.
    let is_first = prepared.pid_namespace.is_none() && nix::unistd::getpid().as_raw() == 1;
    let signals = (is_first && options.rendezvous.is_some()).then(EndingSignals::hold).transpose()?;
    channel.send(&Message::Ready)?;
    match &options.rendezvous {
        Some(listener) => {
            rendezvous::await_start(listener, options.preserved_fds, filter.descriptor(), channel, signals)
        }
        None => channel.await_go(),
    }
}

/// Nothing stays of what the caller is, to those who look, or who send signals.
fn leave_caller(options: &CreateOptions<'_>, user_process: &Process) -> Result<()> {
    // Before we hide: that gives the files in /proc/self to the machine's root, whom a user namespace does not know.
    set_oom_score(user_process)?;
    namespaces::offset_clocks(options.spec)?;
    // Nobody in a pid namespace that we join, or that somebody joins, may look through /proc/PID/fd, or trace us.
    process::set_dumpable(false).step(|| "hide from the container".into())?;
    // Modes of what is made below are as written, whatever the caller's umask.
    nix::sys::stat::umask(nix::sys::stat::Mode::empty());
    nix::unistd::setsid().step(|| "start a session".into())?;
    if options.new_keyring {
        process::join_new_session_keyring()
            .or_else(rights::absent)
            .step(|| "start a session keyring".into())?;
    }
    Ok(())
}

/// For hooks that run inside: the pid is that of the container's own namespace.
fn inside<'a>(options: &CreateOptions<'a>, spec: &'a Spec) -> hooks::Subject<'a> {
    let pid = nix::unistd::getpid().as_raw();
    hooks::Subject { id: options.id, bundle: options.bundle, spec, pid, env: &[] }
}

/// For the host: our pid as it is there, in whose /proc we still look.
fn subject<'a>(options: &CreateOptions<'a>, spec: &'a Spec) -> Result<hooks::Subject<'a>> {
    Ok(hooks::Subject { pid: rights::pid_on_the_host(spec)?, ..inside(options, spec) })
}

/// Asked for again once the user has changed, which withdraws it (prctl(2)). A parent that ended in between is noticed
/// by its silence: it has not said `Go`.
fn die_with_parent(options: &CreateOptions<'_>) -> Result<()> {
    if options.parent_death_signal {
        process::set_parent_death_signal(libc::SIGKILL).step(|| "ask to die with the monitor".into())?;
    }
    Ok(())
}

/// Closed, and not only close-on-exec: execve(2) finds the program before it closes anything, and a program, or a working
/// directory, named `/proc/self/fd/N/..` would be found through a directory of the host (CVE-2024-21626).
fn close_others(
    options: &CreateOptions<'_>,
    channel: &Channel,
    own: Option<&OwnedFd>,
    rights: &Rights<'_>,
) -> Result<()> {
    let mut kept = vec![channel.as_fd()];
    kept.extend(rights.descriptors());
    kept.extend(options.rendezvous.as_ref().map(AsFd::as_fd));
    kept.extend(own.map(AsFd::as_fd));
    process::close_all_but(3 + options.preserved_fds, &kept).step(|| "close inherited descriptors".into())
}

fn join_namespaces(spec: &Spec) -> Result<()> {
    // The pid namespace was joined by the parent: its child is born there.
    let joined = namespaces::of(spec).iter().filter(|namespace| birth::is_joined_by_child(spec, namespace));
    // Mounts last: the paths of the others are in those of the host.
    let mounts = |namespace: &&Namespace| namespace.kind == NamespaceKind::Mount;
    joined.clone().filter(|namespace| !mounts(namespace)).try_for_each(namespaces::join)?;
    joined.filter(mounts).try_for_each(namespaces::join)
}

/// By descriptor, while it can be reached with the rights of the host's user. `None` where the mounts are shared.
fn open_root(options: &CreateOptions<'_>, prepared: &Prepared, spec: &Spec) -> Result<Option<Rootfs>> {
    match namespaces::owns_mounts(spec) {
        true => {
            let rootfs = rootfs::prepare(&root_path(options, spec)?, spec)?;
            let namespace = prepared.pid_namespace.as_ref().map(OwnedFd::try_clone).transpose();
            Ok(Some(rootfs.of_pid_namespace(namespace.step(|| "duplicate a descriptor".into())?)))
        }
        false => Ok(None),
    }
}

fn root_path(options: &CreateOptions<'_>, spec: &Spec) -> Result<PathBuf> {
    let root = spec.root.as_ref().ok_or_else(|| Error::Invalid("it has no root".into()))?;
    Ok(options.bundle.join(&root.path))
}

fn name_host(spec: &Spec) -> Result<()> {
    if let Some(name) = &spec.hostname {
        nix::unistd::sethostname(name).step(|| format!("set the hostname to {name:?}"))?;
    }
    if let Some(name) = &spec.domainname {
        rustix::system::setdomainname(name.as_bytes()).step(|| format!("set the domain name to {name:?}"))?;
    }
    Ok(())
}

/// A sysctl is that of the writer's namespace.
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

fn build_root(
    options: &CreateOptions<'_>,
    prepared: &Prepared,
    rootfs: Option<Rootfs>,
    channel: &Channel,
) -> Result<Option<Console>> {
    let spec = options.spec;
    let terminal = spec.process.as_ref().filter(|process| process.terminal);
    let Some(rootfs) = rootfs else {
        run_hooks(options, channel)?;
        rootfs::enter_shared(&root_path(options, spec)?)?;
        return terminal
            .map(|process| console::open(console::dev()?, size(process), &options.stdio))
            .transpose();
    };
    let has_view = namespaces::of(spec).iter().any(|one| one.kind == NamespaceKind::Cgroup);
    let visible = options.cgroup.as_ref().filter(|_| !has_view);
    let mut later = Later::default();
    for (index, mount) in spec.mounts.iter().enumerate() {
        let asked;
        let source = match prepared.sources.get(index) {
            Source::Bound(tree) => Some(tree),
            Source::Asked => {
                asked = rootfs::ask(channel, index)?;
                Some(&asked)
            }
            Source::Own => None,
        };
        rootfs::mount(&rootfs, mount, options.bundle, source, visible, &mut later)?;
    }
    for graft in &options.grafts {
        rootfs::graft(&rootfs, graft)?;
    }
    // A bound /dev belongs to the host and is not filled.
    if !rootfs::has_bound_dev(spec) {
        let bind_devices = process::in_user_namespace();
        rootfs::make_devices(&rootfs, bind_devices)?;
        for device in spec.linux.iter().flat_map(|linux| &linux.devices) {
            rootfs::make_asked(&rootfs, device, bind_devices)?;
        }
    }
    let console = terminal.map(|process| open_console(&rootfs, process, &options.stdio)).transpose()?;
    run_hooks(options, channel)?;
    for path in spec.linux.iter().flat_map(|linux| &linux.readonly_paths) {
        rootfs::read_only(&rootfs, path)?;
    }
    let mut masks = Masks::default();
    for path in spec.linux.iter().flat_map(|linux| &linux.masked_paths) {
        masks.mask(&rootfs, path)?;
    }
    // docker makes a working directory that the image does not have.
    if let Some(process) = &spec.process {
        rootfs.find_or_make(&process.cwd, rootfs::Kind::Directory)?;
    }
    later.finish()?;
    rootfs::pivot(&rootfs, spec, options.may_move_root)?;
    Ok(console)
}

/// While all is mounted and the host is still in sight: the parent's, then ours.
fn run_hooks(options: &CreateOptions<'_>, channel: &Channel) -> Result<()> {
    let spec = options.spec;
    if hooks::has(spec, Point::Prestart) || hooks::has(spec, Point::CreateRuntime) {
        channel.send(&Message::Built)?;
        channel.await_go()?;
    }
    hooks::run(Point::CreateContainer, inside(options, spec))
}

/// The namespace comes second: its root is the cgroup we are in when it is made.
fn enter_cgroups(options: &CreateOptions<'_>) -> Result<()> {
    options.cgroup.as_ref().map_or(Ok(()), Cgroup::enter)?;
    if namespaces::is_new(options.spec, NamespaceKind::Cgroup) {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWCGROUP)
            .step(|| "create a cgroup namespace".into())?;
    }
    Ok(())
}

fn open_console(rootfs: &Rootfs, user_process: &Process, stdio: &Stdio) -> Result<Console> {
    let dev: OwnedFd = rootfs
        .find(Path::new("/dev"), rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY)
        .step(|| "open /dev".into())?;
    let console = console::open(dev.as_fd(), size(user_process), stdio)?;
    rootfs::bind_console(rootfs, &console.slave)?;
    Ok(console)
}

fn size(user_process: &Process) -> Option<(u16, u16)> {
    user_process.console_size.map(|size| (size.height, size.width))
}
