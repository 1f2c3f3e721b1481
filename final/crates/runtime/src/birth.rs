//! The clone of a container's first process: where it is born decides what it is.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use hull_sys::process::{self, Clone3, Cloned, Fork};
use nix::libc;
use nix::sched::CloneFlags;

use crate::cgroups::Cgroup;
use crate::create::{CreateOptions, Prepared};
use crate::error::{Error, Result, Step};
use crate::hooks::{self, Point};
use crate::idmap;
use crate::init;
use crate::namespaces;
use crate::protocol::{Channel, Message};
use crate::spec::{Namespace, NamespaceKind, Spec};

/// The child's pid and descriptor, and how to speak with it.
pub(crate) type Born = (i32, OwnedFd, Channel);

pub(crate) fn clone_init(options: &CreateOptions<'_>, prepared: &Prepared) -> Result<Born> {
    if prepared.pid_namespace.is_some() {
        return outside(options, prepared);
    }
    if needs_intermediate(options.spec) {
        return through_intermediate(options, prepared);
    }
    let (ours, theirs) = Channel::pair()?;
    let directory = options.cgroup.as_ref().and_then(Cgroup::open_dir);
    let flags = namespaces::clone_flags(options.spec);
    let request = Clone3 { flags, cgroup: directory.as_ref().map(AsFd::as_fd), sibling: false };
    match process::clone3(&request).step(|| "clone the container's first process".into())? {
        Cloned::Child => {
            drop(ours);
            drop(directory);
            init::run(options, prepared, theirs)
        }
        Cloned::Parent { pid, pidfd } => Ok((pid, pidfd, ours)),
    }
}

/// The pid namespace that is joined, opened: its path is one of the host's.
pub(crate) fn joined_pid_namespace(spec: &Spec) -> Result<Option<OwnedFd>> {
    let mut joined = namespaces::of(spec).iter().filter(|namespace| namespace.kind == NamespaceKind::Pid);
    let path = joined.find_map(|namespace| namespace.path.as_ref());
    path.map(|path| File::open(path).map(OwnedFd::from).step(|| format!("open {}", path.display())))
        .transpose()
}

/// For a pid namespace in which other processes run: a process outside builds the container ([`crate::arrival`]). That
/// process joins all the other namespaces itself.
fn outside(options: &CreateOptions<'_>, prepared: &Prepared) -> Result<Born> {
    let (ours, theirs) = Channel::pair()?;
    let (mut reader, mut writer) = std::io::pipe().step(|| "create a pipe".into())?;
    let directory = options.cgroup.as_ref().and_then(Cgroup::open_dir);
    let request = Clone3 { cgroup: directory.as_ref().map(AsFd::as_fd), ..Clone3::default() };
    match process::clone3(&request).step(|| "clone the container's builder".into())? {
        Cloned::Child => {
            drop((ours, reader, directory));
            let moved = move_in(options.spec, prepared)
                .and_then(|()| writer.write_all(b"x").step(|| "tell the parent".into()));
            drop(writer);
            match moved {
                Ok(()) => init::run(options, prepared, theirs),
                Err(error) => {
                    let _ = theirs.send(&Message::Failed(error));
                    process::exit_now(1)
                }
            }
        }
        Cloned::Parent { pid, pidfd } => {
            drop((theirs, writer));
            match reader.read_exact(&mut [0]) {
                Ok(()) => Ok((pid, pidfd, ours)),
                Err(_) => {
                    process::reap(pidfd.as_fd()).step(|| "collect a child".into())?;
                    ours.expect()?;
                    Err(Error::InitDied)
                }
            }
        }
    }
}

/// Moves the builder of a container into its namespaces. With a user namespace this includes the pid namespace, because
/// from inside the user namespace there are no rights over it; the builder forks nothing before it arrives.
fn move_in(spec: &Spec, prepared: &Prepared) -> Result<()> {
    if idmap::is_asked(spec) {
        if hooks::has(spec, Point::CreateContainer) {
            let why = "createContainer hooks cannot be combined with a user namespace and a joined pid namespace: its processes would see them";
            return Err(Error::Invalid(why.into()));
        }
        join_pid_namespace(prepared)?;
        join_before_user(spec)?;
    }
    let flags = namespaces::clone_flags(spec) as i32;
    nix::sched::unshare(CloneFlags::from_bits_retain(flags)).step(|| "create the namespaces".into())
}

/// Where the next child is born (setns(2)).
pub(crate) fn join_pid_namespace(prepared: &Prepared) -> Result<()> {
    match &prepared.pid_namespace {
        Some(namespace) => {
            process::setns(namespace.as_fd(), libc::CLONE_NEWPID).step(|| "join the pid namespace".into())
        }
        None => Ok(()),
    }
}

/// A user namespace has rights over those that are made in it: it comes before them, and after the others that are
/// joined, over which it has none. Nobody comes back from it (setns(2)), so a process that ends then goes.
fn needs_intermediate(spec: &Spec) -> bool {
    let joins_before =
        |namespace: &Namespace| namespace.path.is_some() && is_joined_by_intermediate(namespace);
    idmap::is_asked(spec) && namespaces::of(spec).iter().any(joins_before)
}

/// The others are joined by the child: it needs the mounts of the host for a while, and its cgroup before the namespace.
fn is_joined_by_intermediate(namespace: &Namespace) -> bool {
    !matches!(namespace.kind, NamespaceKind::Mount | NamespaceKind::Cgroup | NamespaceKind::Pid)
}

/// True for the namespaces by path that the child joins itself.
pub(crate) fn is_joined_by_child(spec: &Spec, namespace: &Namespace) -> bool {
    namespace.kind != NamespaceKind::Pid
        && !(needs_intermediate(spec) && is_joined_by_intermediate(namespace))
}

fn through_intermediate(options: &CreateOptions<'_>, prepared: &Prepared) -> Result<Born> {
    let (ours, theirs) = Channel::pair()?;
    let (mut reader, mut writer) = std::io::pipe().step(|| "create a pipe".into())?;
    // Whoever is in a namespace that is joined must not look through /proc/PID/fd.
    process::set_dumpable(false).step(|| "hide from the container".into())?;
    match process::fork().step(|| "fork".into())? {
        Fork::Child => {
            drop((ours, reader));
            let carried = carry(options, prepared, &theirs);
            let done = carried
                .and_then(|pid| writer.write_all(&pid.to_le_bytes()).step(|| "tell the process id".into()));
            if let Err(error) = done {
                let _ = theirs.send(&Message::Failed(error));
            }
            process::exit_now(0)
        }
        Fork::Parent { pid: intermediate } => {
            drop((theirs, writer));
            process::set_dumpable(true).step(|| "be seen again".into())?;
            let mut pid = [0; 4];
            let told = reader.read_exact(&mut pid);
            let pidfd = process::pidfd_open(intermediate).step(|| "watch a child".into())?;
            process::reap(pidfd.as_fd()).step(|| "collect a child".into())?;
            if told.is_err() {
                ours.expect()?;
                return Err(Error::InitDied);
            }
            let pid = i32::from_le_bytes(pid);
            // A child of ours: the number is its own until we collect it.
            let pidfd = process::pidfd_open(pid).step(|| "watch the container's first process".into())?;
            Ok((pid, pidfd, ours))
        }
    }
}

/// In the intermediate process: returns the pid of the container's first process, which is a child of its parent.
fn carry(options: &CreateOptions<'_>, prepared: &Prepared, channel: &Channel) -> Result<i32> {
    let directory = options.cgroup.as_ref().and_then(Cgroup::open_dir);
    join_before_user(options.spec)?;
    let flags = namespaces::clone_flags(options.spec);
    let request = Clone3 { flags, cgroup: directory.as_ref().map(AsFd::as_fd), sibling: true };
    match process::clone3(&request).step(|| "clone the container's first process".into())? {
        Cloned::Child => {
            drop(directory);
            let channel = channel.duplicate()?;
            init::run(options, prepared, channel)
        }
        Cloned::Parent { pid, .. } => Ok(pid),
    }
}

/// Joins the namespaces that are given beside a user namespace, and then the user namespace.
fn join_before_user(spec: &Spec) -> Result<()> {
    let joined =
        namespaces::of(spec).iter().filter(|one| one.path.is_some() && is_joined_by_intermediate(one));
    let is_user = |namespace: &&Namespace| namespace.kind == NamespaceKind::User;
    joined.clone().filter(|one| !is_user(one)).try_for_each(namespaces::join)?;
    joined.filter(is_user).try_for_each(namespaces::join)
}
