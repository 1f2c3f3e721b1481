//! Which namespaces a container gets: new ones by clone3(2), existing ones by setns(2).

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::libc;

use crate::error::{Result, Step};
use crate::procfs::Procfs;
use crate::spec::{Namespace, NamespaceKind, Spec};

pub(crate) fn flag(kind: NamespaceKind) -> i32 {
    match kind {
        NamespaceKind::Pid => libc::CLONE_NEWPID,
        NamespaceKind::Network => libc::CLONE_NEWNET,
        NamespaceKind::Mount => libc::CLONE_NEWNS,
        NamespaceKind::Ipc => libc::CLONE_NEWIPC,
        NamespaceKind::Uts => libc::CLONE_NEWUTS,
        NamespaceKind::User => libc::CLONE_NEWUSER,
        NamespaceKind::Cgroup => libc::CLONE_NEWCGROUP,
        // clone(2) has no bit for it; clone3(2) and unshare(2) do.
        NamespaceKind::Time => libc::CLONE_NEWTIME,
    }
}

pub(crate) fn of(spec: &Spec) -> &[Namespace] {
    spec.linux.as_ref().map_or(&[], |linux| &linux.namespaces)
}

/// True if the container gets a new namespace of this kind.
pub(crate) fn is_new(spec: &Spec, kind: NamespaceKind) -> bool {
    of(spec).iter().any(|namespace| namespace.kind == kind && namespace.path.is_none())
}

/// True if the container is in a user namespace, new or joined, other than the caller's.
pub(crate) fn has_user(spec: &Spec) -> bool {
    of(spec).iter().any(|namespace| namespace.kind == NamespaceKind::User)
}

/// True if the container's namespace of this kind is not the caller's. A path can name the caller's own namespace, and
/// what is set in that one would be set for the host.
pub(crate) fn differs_from_ours(spec: &Spec, kind: NamespaceKind) -> bool {
    // The inode number of the link identifies the namespace (namespaces(7)).
    let identity = |path: &Path| std::fs::metadata(path).map(|found| (found.dev(), found.ino())).ok();
    let ours = || identity(&Path::new("/proc/self/ns").join(link(kind)));
    let namespace = of(spec).iter().find(|namespace| namespace.kind == kind);
    namespace.is_some_and(|namespace| namespace.path.as_deref().is_none_or(|path| identity(path) != ours()))
}

/// The namespace's name in /proc/PID/ns.
pub(crate) fn link(kind: NamespaceKind) -> &'static str {
    match kind {
        NamespaceKind::Pid => "pid",
        NamespaceKind::Network => "net",
        NamespaceKind::Mount => "mnt",
        NamespaceKind::Ipc => "ipc",
        NamespaceKind::Uts => "uts",
        NamespaceKind::User => "user",
        NamespaceKind::Cgroup => "cgroup",
        NamespaceKind::Time => "time",
    }
}

/// True if the container gets a new mount namespace. Otherwise it shares one, in which nothing may be changed.
pub(crate) fn owns_mounts(spec: &Spec) -> bool {
    is_new(spec, NamespaceKind::Mount)
}

/// The new namespaces that clone3(2) makes. Two kinds are made later:
/// - a cgroup namespace, whose root is the cgroup of the process that makes it (cgroup_namespaces(7)). On v1 the child
///   enters its cgroup only after the clone.
/// - a time namespace with offsets, which can only be set before a process is in it (time_namespaces(7)).
pub(crate) fn clone_flags(spec: &Spec) -> u64 {
    let has_offsets = spec.linux.as_ref().is_some_and(|linux| !linux.time_offsets.is_empty());
    let later = |kind| kind == NamespaceKind::Cgroup || (kind == NamespaceKind::Time && has_offsets);
    of(spec)
        .iter()
        .filter(|namespace| namespace.path.is_none() && !later(namespace.kind))
        .fold(0, |flags, namespace| flags | flag(namespace.kind) as u64)
}

/// The network namespace that the container's process `pid` is in or joins.
pub(crate) fn network_of(spec: &Spec, pid: i32) -> Result<OwnedFd> {
    let joined = of(spec).iter().find(|namespace| namespace.kind == NamespaceKind::Network);
    match joined.and_then(|namespace| namespace.path.as_ref()) {
        Some(path) => std::fs::File::open(path).map(Into::into).step(|| format!("open {}", path.display())),
        None => Procfs::open()?
            .namespace(&pid.to_string(), "net")
            .step(|| format!("open the network namespace of process {pid}")),
    }
}

/// Makes a time namespace whose clocks differ from the machine's by the offsets of the spec, and joins it
/// (time_namespaces(7)).
pub(crate) fn offset_clocks(spec: &Spec) -> Result<()> {
    let Some(linux) = spec.linux.as_ref().filter(|linux| !linux.time_offsets.is_empty()) else {
        return Ok(());
    };
    nix::sched::unshare(nix::sched::CloneFlags::from_bits_retain(libc::CLONE_NEWTIME))
        .step(|| "create a time namespace".into())?;
    let procfs = Procfs::open()?;
    for (clock, offset) in &linux.time_offsets {
        let line = format!("{clock} {} {}", offset.secs, offset.nanosecs);
        procfs.write("self/timens_offsets", &line).step(|| format!("set the clock {line}"))?;
    }
    // unshare(2) makes the namespace for the children of this process. This process has to join it.
    let own = procfs.namespace("self", "time_for_children");
    own.and_then(|own| Ok(hull_sys::process::setns(own.as_fd(), libc::CLONE_NEWTIME)?))
        .step(|| "join the new time namespace".into())
}

/// Joins an existing namespace. The kernel checks its type: setns(2) fails with EINVAL for another kind.
pub(crate) fn join(namespace: &Namespace) -> Result<()> {
    let Some(path) = &namespace.path else { return Ok(()) };
    let step = || format!("join the namespace {}", path.display());
    let file = std::fs::File::open(path).step(step)?;
    hull_sys::process::setns(file.as_fd(), flag(namespace.kind)).step(step)
}

/// Opens the pid namespace that the container joins, if it joins one.
pub(crate) fn joined_pid_namespace(spec: &Spec) -> Result<Option<OwnedFd>> {
    let mut joined = of(spec).iter().filter(|namespace| namespace.kind == NamespaceKind::Pid);
    let path = joined.find_map(|namespace| namespace.path.as_ref());
    path.map(|path| std::fs::File::open(path).map(OwnedFd::from).step(|| format!("open {}", path.display())))
        .transpose()
}

/// Makes a pid namespace the one in which the next child is created (setns(2)).
pub(crate) fn join_pid_namespace(namespace: Option<&OwnedFd>) -> Result<()> {
    let Some(namespace) = namespace else { return Ok(()) };
    hull_sys::process::setns(namespace.as_fd(), libc::CLONE_NEWPID).step(|| "join the pid namespace".into())
}

/// True if namespaces must be joined before the user namespace is entered. A process in a user namespace has privileges
/// only over namespaces that were made in it, so the others are joined first. No process can return from a user namespace
/// (setns(2)), so an intermediate process does this and ends afterwards.
pub(crate) fn needs_intermediate(spec: &Spec) -> bool {
    let joins_before = |namespace: &Namespace| namespace.path.is_some() && is_joined_before_user(namespace);
    has_user(spec) && of(spec).iter().any(joins_before)
}

/// The child joins the other kinds itself: it needs the host's mounts for a while, it has to enter its cgroup before the
/// cgroup namespace, and a pid namespace takes effect for its children only.
fn is_joined_before_user(namespace: &Namespace) -> bool {
    !matches!(namespace.kind, NamespaceKind::Mount | NamespaceKind::Cgroup | NamespaceKind::Pid)
}

/// Joins the namespaces that are given beside a user namespace, and then the user namespace.
pub(crate) fn join_before_user(spec: &Spec) -> Result<()> {
    let joined = of(spec).iter().filter(|one| one.path.is_some() && is_joined_before_user(one));
    let is_user = |namespace: &&Namespace| namespace.kind == NamespaceKind::User;
    joined.clone().filter(|one| !is_user(one)).try_for_each(join)?;
    joined.filter(is_user).try_for_each(join)
}

/// Called in the child: joins the namespaces that no other process has joined for it.
pub(crate) fn join_in_child(spec: &Spec) -> Result<()> {
    let has_intermediate = needs_intermediate(spec);
    let joined = of(spec).iter().filter(|namespace| {
        namespace.kind != NamespaceKind::Pid && !(has_intermediate && is_joined_before_user(namespace))
    });
    // The mount namespace last: the paths of the others are paths in the host's mounts.
    let is_mount = |namespace: &&Namespace| namespace.kind == NamespaceKind::Mount;
    joined.clone().filter(|namespace| !is_mount(namespace)).try_for_each(join)?;
    joined.filter(is_mount).try_for_each(join)
}
