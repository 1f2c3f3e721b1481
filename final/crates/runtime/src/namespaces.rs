//! Namespaces: new ones by clone3, existing ones by setns.

use nix::libc;

use crate::error::{Result, Step};
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

/// What clone3 makes. The cgroup namespace is not among it: its root is the cgroup that the process is in when it
/// is made (cgroup_namespaces(7)), and on v1 that is only after the clone.
pub(crate) fn clone_flags(spec: &Spec) -> u64 {
    of(spec)
        .iter()
        .filter(|namespace| namespace.path.is_none() && namespace.kind != NamespaceKind::Cgroup)
        .fold(0, |flags, namespace| flags | flag(namespace.kind) as u64)
}

/// Joins an existing namespace. The type is checked by the kernel: a path to another kind is EINVAL.
pub(crate) fn join(namespace: &Namespace) -> Result<()> {
    let Some(path) = &namespace.path else { return Ok(()) };
    let step = || format!("join the namespace {}", path.display());
    let file = std::fs::File::open(path).step(step)?;
    hull_sys::process::setns(std::os::fd::AsFd::as_fd(&file), flag(namespace.kind)).step(step)
}
