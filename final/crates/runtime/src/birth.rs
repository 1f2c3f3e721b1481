//! The clone of a container's first process: where it is born decides what it is.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use hull_sys::process::{self, Clone3, Cloned, Fork};
use nix::libc;

use crate::cgroups::Cgroup;
use crate::create::{CreateOptions, Prepared};
use crate::error::{Error, Result, Step};
use crate::idmap;
use crate::init;
use crate::namespaces;
use crate::protocol::{Channel, Message};
use crate::spec::{Namespace, NamespaceKind, Spec};

/// The child's pid and descriptor, and how to speak with it.
pub(crate) type Born = (i32, OwnedFd, Channel);

pub(crate) fn clone_init(options: &CreateOptions<'_>, prepared: &Prepared) -> Result<Born> {
    if needs_porter(options.spec) {
        return through_porter(options, prepared);
    }
    let (ours, theirs) = Channel::pair()?;
    let directory = options.cgroup.as_ref().and_then(Cgroup::open_dir);
    let flags = namespaces::clone_flags(options.spec);
    let request = Clone3 { flags, cgroup: directory.as_ref().map(AsFd::as_fd), sibling: false };
    let pid_namespace = PidNamespace::enter(options.spec)?;
    if pid_namespace.is_joined() {
        // Who is in there already sees the child from its first instruction, and must not look through /proc/PID/fd.
        process::set_dumpable(false).step(|| "hide from the container".into())?;
    }
    let cloned = process::clone3(&request);
    match cloned.step(|| "clone the container's first process".into())? {
        Cloned::Child => {
            drop(ours);
            drop(directory);
            init::run(options, prepared, theirs)
        }
        Cloned::Parent { pid, pidfd } => {
            if pid_namespace.is_joined() {
                process::set_dumpable(true).step(|| "be seen again".into())?;
            }
            drop(pid_namespace);
            Ok((pid, pidfd, ours))
        }
    }
}

/// A user namespace has rights over those that are made in it: it comes before them, and after the others that are
/// joined, over which it has none. Nobody comes back from it (setns(2)), so a process that ends then goes.
fn needs_porter(spec: &Spec) -> bool {
    let joins_before = |namespace: &Namespace| namespace.path.is_some() && is_for_porter(namespace);
    idmap::is_asked(spec) && namespaces::of(spec).iter().any(joins_before)
}

/// The others are joined by the child: it needs the mounts of the host for a while, and its cgroup before the namespace.
fn is_for_porter(namespace: &Namespace) -> bool {
    !matches!(namespace.kind, NamespaceKind::Mount | NamespaceKind::Cgroup)
}

/// True for the namespaces by path that the child joins itself.
pub(crate) fn is_joined_by_child(spec: &Spec, namespace: &Namespace) -> bool {
    namespace.kind != NamespaceKind::Pid && !(needs_porter(spec) && is_for_porter(namespace))
}

fn through_porter(options: &CreateOptions<'_>, prepared: &Prepared) -> Result<Born> {
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
        Fork::Parent { pid: porter } => {
            drop((theirs, writer));
            process::set_dumpable(true).step(|| "be seen again".into())?;
            let mut pid = [0; 4];
            let told = reader.read_exact(&mut pid);
            let pidfd = process::pidfd_open(porter).step(|| "watch a child".into())?;
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

/// In the porter: the pid of the container's first process, which is a child of its parent.
fn carry(options: &CreateOptions<'_>, prepared: &Prepared, channel: &Channel) -> Result<i32> {
    let directory = options.cgroup.as_ref().and_then(Cgroup::open_dir);
    let joined = namespaces::of(options.spec).iter().filter(|one| one.path.is_some() && is_for_porter(one));
    let is_user = |namespace: &&Namespace| namespace.kind == NamespaceKind::User;
    joined.clone().filter(|one| !is_user(one)).try_for_each(namespaces::join)?;
    joined.clone().filter(is_user).try_for_each(namespaces::join)?;
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

/// A pid namespace is entered by children only (setns(2)): the parent changes where its next child is born, and
/// changes it back.
struct PidNamespace(Option<File>);

impl PidNamespace {
    fn enter(spec: &Spec) -> Result<Self> {
        let joined = namespaces::of(spec)
            .iter()
            .find(|namespace| namespace.kind == NamespaceKind::Pid && namespace.path.is_some());
        let Some(namespace) = joined else { return Ok(Self(None)) };
        let own = File::open("/proc/self/ns/pid").step(|| "open our pid namespace".into())?;
        namespaces::join(namespace)?;
        Ok(Self(Some(own)))
    }

    fn is_joined(&self) -> bool {
        self.0.is_some()
    }
}

impl Drop for PidNamespace {
    fn drop(&mut self) {
        if let Some(own) = &self.0 {
            let _ = process::setns(own.as_fd(), libc::CLONE_NEWPID);
        }
    }
}
