//! From the text of a `config.json` to a [`Spec`] that can be applied as a whole: what cannot be is an error, since a
//! limit or a right that is silently not there is worse than a container that does not start.
//!
//! A property that the specification does not have is ignored, as it asks (config.md, "Extensibility").

use std::path::{Component, Path};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Mount, NamespaceKind, Process, Resources, Spec};
use crate::error::{Error, Result};
use crate::rootfs;

/// Properties of the specification that are not applied: they may be there only as long as they say nothing.
const NOT_APPLIED: &[&str] = &[
    "hooks",
    "linux.gidMappings",
    "linux.intelRdt",
    "linux.memoryPolicy",
    "linux.mountLabel",
    "linux.netDevices",
    "linux.personality",
    "linux.seccomp.listenerMetadata",
    "linux.seccomp.listenerPath",
    "linux.timeOffsets",
    "linux.uidMappings",
    "mounts.*.gidMappings",
    "mounts.*.uidMappings",
];

const NOT_APPLIED_OF_PROCESS: &[&str] =
    &["apparmorProfile", "execCPUAffinity", "ioPriority", "scheduler", "selinuxLabel"];

const NOT_APPLIED_OF_RESOURCES: &[&str] = &[
    "blockIO",
    "cpu.burst",
    "cpu.idle",
    "cpu.realtimePeriod",
    "cpu.realtimeRuntime",
    "hugepageLimits",
    "memory.checkBeforeUpdate",
    "memory.kernel",
    "memory.kernelTCP",
    "network",
    "rdma",
];

/// Sysctls of the IPC namespace (namespaces(7), `kernel/sysctl` in the kernel's documentation).
const IPC_SYSCTLS: &[&str] = &[
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

/// Reads a bundle's `config.json`.
pub fn parse(text: &[u8]) -> Result<Spec> {
    let value = read(text)?;
    refuse(&value, NOT_APPLIED, "")?;
    refuse_in(&value, "process", NOT_APPLIED_OF_PROCESS)?;
    if let Some(resources) = value.pointer("/linux/resources") {
        refuse(resources, NOT_APPLIED_OF_RESOURCES, "linux.resources.")?;
    }
    let mut spec: Spec = typed(value)?;
    // An empty name is none: sethostname(2) would take it.
    spec.hostname = spec.hostname.filter(|name| !name.is_empty());
    spec.domainname = spec.domainname.filter(|name| !name.is_empty());
    check(&spec)?;
    Ok(spec)
}

/// Reads a process as `exec` takes it.
pub fn parse_process(text: &[u8]) -> Result<Process> {
    let value = read(text)?;
    refuse(&value, NOT_APPLIED_OF_PROCESS, "process.")?;
    let process = typed(value)?;
    check_process(&process)?;
    Ok(process)
}

/// Reads limits as `update` takes them.
pub fn parse_resources(text: &[u8]) -> Result<Resources> {
    let value = read(text)?;
    refuse(&value, NOT_APPLIED_OF_RESOURCES, "resources.")?;
    typed(value)
}

fn invalid(why: impl Into<String>) -> Error {
    Error::Invalid(why.into())
}

fn read(text: &[u8]) -> Result<Value> {
    let mut value = serde_json::from_slice(text).map_err(|error| invalid(format!("not JSON: {error}")))?;
    drop_nulls(&mut value);
    Ok(value)
}

fn typed<T: DeserializeOwned>(value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(|error| invalid(error.to_string()))
}

/// Programs in Go write an absent list as null.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

fn refuse_in(value: &Value, member: &str, paths: &[&str]) -> Result<()> {
    value.get(member).map_or(Ok(()), |inner| refuse(inner, paths, &format!("{member}.")))
}

fn refuse(value: &Value, paths: &[&str], prefix: &str) -> Result<()> {
    match paths.iter().find(|path| says_something(value, path)) {
        Some(path) => Err(invalid(format!("{prefix}{path} is set, which hull cannot apply"))),
        None => Ok(()),
    }
}

fn says_something(value: &Value, path: &str) -> bool {
    let Some((first, rest)) = path.split_once('.') else {
        return value.get(path).is_some_and(|found| !is_empty(found));
    };
    match first {
        "*" => value.as_array().is_some_and(|items| items.iter().any(|item| says_something(item, rest))),
        _ => value.get(first).is_some_and(|inner| says_something(inner, rest)),
    }
}

/// docker writes zeros for what nobody asked: `"blockIO": {"weight": 0}`.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.iter().all(is_empty),
        Value::Object(members) => members.values().all(is_empty),
    }
}

fn check(spec: &Spec) -> Result<()> {
    if !spec.oci_version.starts_with("1.") {
        return Err(invalid(format!("ociVersion {:?}: hull knows 1.x", spec.oci_version)));
    }
    if spec.root.as_ref().is_none_or(|root| root.path.as_os_str().is_empty()) {
        return Err(invalid("root.path is missing"));
    }
    check_process(spec.process.as_ref().ok_or_else(|| invalid("process is missing"))?)?;
    check_namespaces(spec)?;
    spec.mounts.iter().try_for_each(check_mount)?;
    let Some(linux) = &spec.linux else { return Ok(()) };
    check_sysctls(spec)?;
    if let Some(path) = &linux.cgroups_path {
        check_cgroups_path(path)?;
    }
    match linux.rootfs_propagation.as_deref() {
        // What every container's mounts are.
        None | Some("" | "rslave") => Ok(()),
        Some(other) => {
            Err(invalid(format!("linux.rootfsPropagation {other:?}: hull applies \"rslave\" only")))
        }
    }
}

fn check_process(process: &Process) -> Result<()> {
    if process.args.is_empty() {
        return Err(invalid("process.args is empty"));
    }
    if !process.cwd.is_absolute() {
        return Err(invalid(format!("process.cwd {:?} is not absolute", process.cwd)));
    }
    let has_zero = |texts: &[String]| texts.iter().any(|text| text.contains('\0'));
    if has_zero(&process.args) || has_zero(&process.env) {
        return Err(invalid("process.args and process.env must not hold a zero byte"));
    }
    Ok(())
}

fn has_namespace(spec: &Spec, kind: NamespaceKind) -> bool {
    crate::namespaces::of(spec).iter().any(|namespace| namespace.kind == kind)
}

fn check_namespaces(spec: &Spec) -> Result<()> {
    let namespaces = crate::namespaces::of(spec);
    for (index, namespace) in namespaces.iter().enumerate() {
        if namespaces[..index].iter().any(|other| other.kind == namespace.kind) {
            return Err(invalid(format!("linux.namespaces has {:?} twice", namespace.kind)));
        }
    }
    if has_namespace(spec, NamespaceKind::User) {
        return Err(invalid("linux.namespaces asks for a user namespace, which hull cannot apply"));
    }
    // The root is pivoted and propagation is cut in it: anywhere else that would be done to others.
    if !crate::namespaces::is_new(spec, NamespaceKind::Mount) {
        return Err(invalid("linux.namespaces must ask for a new mount namespace"));
    }
    let names_host = spec.hostname.is_some() || spec.domainname.is_some();
    if names_host && !has_namespace(spec, NamespaceKind::Uts) {
        return Err(invalid("hostname and domainname need a uts namespace, or they would be the host's"));
    }
    Ok(())
}

fn check_mount(mount: &Mount) -> Result<()> {
    let shown = mount.destination.display();
    if !mount.destination.is_absolute() {
        return Err(invalid(format!("mount destination {shown} is not absolute")));
    }
    match rootfs::inapplicable_option(mount) {
        Some(option) => Err(invalid(format!("mount {shown}: option {option:?} cannot be applied to it"))),
        None => Ok(()),
    }
}

/// Each must be one of a namespace that the container has for itself, or shares with another container.
pub(crate) fn check_sysctls(spec: &Spec) -> Result<()> {
    let names = spec.linux.iter().flat_map(|linux| linux.sysctl.keys());
    names.into_iter().try_for_each(|name| check_sysctl(spec, name))
}

/// A sysctl that has no namespace would be changed for the whole machine.
fn check_sysctl(spec: &Spec, name: &str) -> Result<()> {
    let dotted = name.replace('/', ".");
    let needed = if IPC_SYSCTLS.contains(&dotted.as_str()) || dotted.starts_with("fs.mqueue.") {
        Some(NamespaceKind::Ipc)
    } else if dotted.starts_with("net.") {
        Some(NamespaceKind::Network)
    } else if dotted == "kernel.domainname" {
        Some(NamespaceKind::Uts)
    } else {
        None
    };
    match needed {
        Some(kind) if has_namespace(spec, kind) => Ok(()),
        Some(kind) => Err(invalid(format!("sysctl {name:?} needs a namespace of its own: {kind:?}"))),
        None => Err(invalid(format!("sysctl {name:?} would be set for the whole machine"))),
    }
}

/// `..` would lead out of the hierarchy, and the root cgroup is everybody's.
fn check_cgroups_path(path: &str) -> Result<()> {
    let is_systemds = path.split(':').count() == 3;
    if is_systemds {
        return Err(invalid(format!(
            "linux.cgroupsPath {path:?} is systemd's form: hull writes cgroups itself"
        )));
    }
    let mut components = Path::new(path).components();
    let is_plain = components.all(|component| matches!(component, Component::RootDir | Component::Normal(_)));
    if !is_plain || path.contains('\0') || (!path.is_empty() && path.trim_matches('/').is_empty()) {
        return Err(invalid(format!("linux.cgroupsPath {path:?}: expected names below the root cgroup")));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
