//! The container's first process, from the clone to `execve`. Read top to bottom, it is what a container is.

mod pid1;
mod program;
mod rights;

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use hull_sys::process;
use nix::libc;
use nix::mount::MsFlags;

use crate::cgroups::Cgroup;
use crate::console::{self, Console};
use crate::create::CreateOptions;
use crate::error::{Error, Result, Step};
use crate::namespaces;
use crate::protocol::{Channel, Message};
use crate::rendezvous;
use crate::rootfs::{self, Rootfs};
use crate::security::seccomp::{self, Program};
use crate::spec::{Linux, NamespaceKind, Process, Spec};

pub use pid1::serve_as_init;
pub(crate) use program::{execute, find};
pub(crate) use rights::{absent, drop_rights, set_limits};

/// The spec's filter, compiled in the parent: the child has no view of the cache.
pub(crate) fn compile(spec: &Spec, cache: Option<&Path>) -> Result<Option<Program>> {
    let policy = spec.linux.as_ref().and_then(|linux| linux.seccomp.as_ref());
    policy.map(|policy| seccomp::compile_cached(policy, cache)).transpose()
}

/// Never returns: becomes the user's program, or says what failed and exits.
pub(crate) fn run(options: &CreateOptions<'_>, filter: Option<&Program>, mut channel: Channel) -> ! {
    let Err(error) = become_container(options, filter, &mut channel);
    // If nobody listens any more nobody can be told.
    let _ = channel.send(&Message::Failed(error));
    process::exit_now(1)
}

fn become_container(
    options: &CreateOptions<'_>,
    filter: Option<&Program>,
    channel: &mut Channel,
) -> Result<std::convert::Infallible> {
    let spec = options.spec;
    let user_process = spec.process.as_ref().ok_or_else(|| Error::Invalid("it has no process".into()))?;
    let linux = spec.linux.clone().unwrap_or_default();
    die_with_parent(options)?;
    let own = options.init.then(pid1::open_own_program).transpose()?;
    // Before the next line: it gives the file to the machine's root, whom a user namespace does not know.
    rights::set_oom_score(user_process)?;
    // Nobody in a pid namespace that we join, or that somebody joins, may look through /proc/PID/fd, or trace us.
    process::set_dumpable(false).step(|| "hide from the container".into())?;
    // Modes of what is made below are as written, whatever the caller's umask.
    nix::sys::stat::umask(nix::sys::stat::Mode::empty());
    nix::unistd::setsid().step(|| "start a session".into())?;
    process::join_new_session_keyring().or_else(rights::absent).step(|| "start a session keyring".into())?;

    join_namespaces(spec)?;
    name_host(spec)?;
    if namespaces::is_new(spec, NamespaceKind::Network) {
        process::loopback_up().step(|| "bring the loopback interface up".into())?;
    }
    set_sysctls(&linux)?;

    enter_cgroups(options)?;
    let console = build_root(options, spec, &linux, user_process)?;
    match console {
        Some(console) => {
            channel.send(&Message::Console(console.master))?;
            console::install(&console.slave, user_process.user.uid)?;
        }
        None => options.stdio.install()?,
    }
    set_limits(user_process)?;
    drop_rights(user_process, filter)?;
    die_with_parent(options)?;
    close_others(options, channel, own.as_ref())?;
    let program = find(user_process)?;
    channel.send(&Message::Ready)?;
    match &options.rendezvous {
        Some(listener) => rendezvous::await_start(listener, options.preserved_fds, channel)?,
        None => match channel.receive()? {
            Some(Message::Go) => {}
            // The parent has gone: it does not want us any more.
            _ => process::exit_now(1),
        },
    }
    match &own {
        Some(own) => pid1::start(own, user_process, channel),
        None => execute(&program, user_process, options.preserved_fds),
    }
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
fn close_others(options: &CreateOptions<'_>, channel: &Channel, own: Option<&OwnedFd>) -> Result<()> {
    let mut kept = vec![channel.as_fd()];
    kept.extend(options.rendezvous.as_ref().map(AsFd::as_fd));
    kept.extend(own.map(AsFd::as_fd));
    process::close_all_but(3 + options.preserved_fds, &kept).step(|| "close inherited descriptors".into())
}

fn join_namespaces(spec: &Spec) -> Result<()> {
    // The pid namespace was joined by the parent: its child is born there.
    let joined = namespaces::of(spec).iter().filter(|namespace| namespace.kind != NamespaceKind::Pid);
    joined.clone().try_for_each(namespaces::join)
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

/// Through the host's /proc: what is written there is the namespace's of the writer.
fn set_sysctls(linux: &Linux) -> Result<()> {
    for (name, value) in &linux.sysctl {
        let step = || format!("set the sysctl {name} to {value:?}");
        let below = PathBuf::from(name.replace('.', "/"));
        if !below.components().all(|component| matches!(component, Component::Normal(_))) {
            return Err(Error::Invalid(format!("sysctl {name:?}")));
        }
        std::fs::write(Path::new("/proc/sys").join(below), value).step(step)?;
    }
    Ok(())
}

fn build_root(
    options: &CreateOptions<'_>,
    spec: &Spec,
    linux: &Linux,
    user_process: &Process,
) -> Result<Option<Console>> {
    let root = spec.root.as_ref().ok_or_else(|| Error::Invalid("it has no root".into()))?;
    let rootfs = rootfs::prepare(&options.bundle.join(&root.path), MsFlags::MS_SLAVE)?;
    for mount in &spec.mounts {
        rootfs::mount(&rootfs, mount, options.bundle)?;
    }
    for graft in &options.grafts {
        rootfs::graft(&rootfs, graft)?;
    }
    let bind_devices = process::in_user_namespace();
    rootfs::make_devices(&rootfs, bind_devices)?;
    for device in &linux.devices {
        rootfs::make_asked(&rootfs, device, bind_devices)?;
    }
    let console = match user_process.terminal {
        true => Some(open_console(&rootfs, user_process)?),
        false => None,
    };
    for path in &linux.readonly_paths {
        rootfs::read_only(&rootfs, path)?;
    }
    for path in &linux.masked_paths {
        rootfs::mask(&rootfs, path)?;
    }
    // docker makes a working directory that the image does not have.
    rootfs.find_or_make(&user_process.cwd, rootfs::Kind::Directory)?;
    rootfs::pivot(&rootfs, root.readonly)?;
    Ok(console)
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

fn open_console(rootfs: &Rootfs, user_process: &Process) -> Result<Console> {
    let dev: OwnedFd = rootfs
        .find(Path::new("/dev"), rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY)
        .step(|| "open /dev".into())?;
    let size = user_process.console_size.map(|size| (size.height, size.width));
    let console = console::open(dev.as_fd(), size)?;
    rootfs::bind_console(rootfs, &console.path)?;
    Ok(console)
}
