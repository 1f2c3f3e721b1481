//! Namespaces: new ones by clone3, existing ones by setns.

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
        // Not one of the low bits: only clone3 and unshare take it.
        NamespaceKind::Time => libc::CLONE_NEWTIME,
    }
}

pub(crate) fn of(spec: &Spec) -> &[Namespace] {
    spec.linux.as_ref().map_or(&[], |linux| &linux.namespaces)
}

/// True when the container gets a new namespace of this kind.
pub(crate) fn is_new(spec: &Spec, kind: NamespaceKind) -> bool {
    of(spec).iter().any(|namespace| namespace.kind == kind && namespace.path.is_none())
}

/// True when the container has another namespace of this kind than we. One that it joins can be ours, by whatever name,
/// and what is set in it would be set for the host.
pub(crate) fn is_not_ours(spec: &Spec, kind: NamespaceKind) -> bool {
    // The number of the link's inode is the namespace's (namespaces(7)).
    let identity = |path: &Path| std::fs::metadata(path).map(|found| (found.dev(), found.ino())).ok();
    let ours = || identity(&Path::new("/proc/self/ns").join(link(kind)));
    let namespace = of(spec).iter().find(|namespace| namespace.kind == kind);
    namespace.is_some_and(|namespace| namespace.path.as_deref().is_none_or(|path| identity(path) != ours()))
}

/// Its name in /proc/PID/ns.
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

/// True when the container gets a mount namespace of its own; else it shares one, in which nothing may be changed.
pub(crate) fn owns_mounts(spec: &Spec) -> bool {
    is_new(spec, NamespaceKind::Mount)
}

/// What clone3 makes. The cgroup namespace is not among it: its root is the cgroup that the process is in when it
/// is made (cgroup_namespaces(7)), and on v1 that is only after the clone. Nor are clocks that are to be set: those of a
/// time namespace cannot be any more once a process is in it (time_namespaces(7)).
pub(crate) fn clone_flags(spec: &Spec) -> u64 {
    let has_offsets = spec.linux.as_ref().is_some_and(|linux| !linux.time_offsets.is_empty());
    let later = |kind| kind == NamespaceKind::Cgroup || (kind == NamespaceKind::Time && has_offsets);
    of(spec)
        .iter()
        .filter(|namespace| namespace.path.is_none() && !later(namespace.kind))
        .fold(0, |flags, namespace| flags | flag(namespace.kind) as u64)
}

/// The network namespace that the process `pid` is in, or will be.
pub(crate) fn network_of(spec: &Spec, pid: i32) -> Result<std::os::fd::OwnedFd> {
    let joined = of(spec).iter().find(|namespace| namespace.kind == NamespaceKind::Network);
    match joined.and_then(|namespace| namespace.path.as_ref()) {
        Some(path) => std::fs::File::open(path).map(Into::into).step(|| format!("open {}", path.display())),
        None => Procfs::open()?
            .namespace(&pid.to_string(), "net")
            .step(|| format!("open the network namespace of process {pid}")),
    }
}

/// A time namespace of our own whose clocks differ by this much from those of the machine (time_namespaces(7)).
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
    // Made for our children, until we join it.
    let own = procfs.namespace("self", "time_for_children");
    own.and_then(|own| Ok(hull_sys::process::setns(std::os::fd::AsFd::as_fd(&own), libc::CLONE_NEWTIME)?))
        .step(|| "join the new time namespace".into())
}

/// Joins an existing namespace. The type is checked by the kernel: a path to another kind is EINVAL.
pub(crate) fn join(namespace: &Namespace) -> Result<()> {
    let Some(path) = &namespace.path else { return Ok(()) };
    let step = || format!("join the namespace {}", path.display());
    let file = std::fs::File::open(path).step(step)?;
    hull_sys::process::setns(std::os::fd::AsFd::as_fd(&file), flag(namespace.kind)).step(step)
}
