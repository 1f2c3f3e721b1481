//! Reading and checking a `config.json`. Everything in the resulting [`Spec`] can be applied; anything that cannot is an
//! error, because a limit or a restriction that is silently missing is worse than a container that does not start.
//!
//! Properties that the specification does not define are ignored, as it demands (config.md, "Extensibility").

use std::path::{Component, Path};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::hooks;
use crate::namespaces;
use crate::network_devices;
use crate::rootfs;
use crate::scheduling;
use crate::security::labels;
use crate::spec::{Linux, Mount, NamespaceKind, Process, Resources, Spec, fold_case};

/// Properties of the specification that hull does not apply. They are an error unless they are empty.
const NOT_APPLIED: &[&str] = &["linux.intelRdt"];

/// The sysctls that belong to the IPC namespace (ipc_namespaces(7)).
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
    let mut value = read(text)?;
    refuse(&value, NOT_APPLIED, "")?;
    if let Some(resources) = value.pointer_mut("/linux/resources") {
        fold_case(resources);
    }
    let mut spec: Spec = typed(value)?;
    for namespace in spec.linux.iter_mut().flat_map(|linux| &mut linux.namespaces) {
        // Some programs write an empty path to ask for a new namespace.
        namespace.path = namespace.path.take().filter(|path| !path.as_os_str().is_empty());
    }
    // An empty name means none. sethostname(2) would accept it.
    spec.hostname = spec.hostname.filter(|name| !name.is_empty());
    spec.domainname = spec.domainname.filter(|name| !name.is_empty());
    for mount in &mut spec.mounts {
        // A relative destination is relative to "/" (config.md, "Mounts").
        mount.destination = Path::new("/").join(&mount.destination);
    }
    check(&spec)?;
    Ok(spec)
}

/// Reads the process of an `exec --process`.
pub fn parse_process(text: &[u8]) -> Result<Process> {
    let process = typed(read(text)?)?;
    check_process(&process)?;
    Ok(process)
}

/// Reads the limits of an `update --resources`.
pub fn parse_resources(text: &[u8]) -> Result<Resources> {
    let mut value = read(text)?;
    fold_case(&mut value);
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

/// Removes nulls: programs written in Go encode an empty list as null.
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

fn refuse(value: &Value, paths: &[&str], prefix: &str) -> Result<()> {
    match paths.iter().find(|path| is_set(value, path)) {
        Some(path) => Err(invalid(format!("{prefix}{path} is set, which hull cannot apply"))),
        None => Ok(()),
    }
}

fn is_set(value: &Value, path: &str) -> bool {
    let Some((first, rest)) = path.split_once('.') else {
        return value.get(path).is_some_and(|found| !is_empty(found));
    };
    match first {
        "*" => value.as_array().is_some_and(|items| items.iter().any(|item| is_set(item, rest))),
        _ => value.get(first).is_some_and(|inner| is_set(inner, rest)),
    }
}

/// True for a value that asks for nothing. docker writes zeros for what the user did not set: `"blockIO": {"weight": 0}`.
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
    spec.hooks.as_ref().map_or(Ok(()), hooks::check)?;
    labels::check_mounts(spec)?;
    let linux = spec.linux.as_ref();
    if let Some(process) = &spec.process {
        scheduling::check(process, linux)?;
    }
    let Some(linux) = linux else { return Ok(()) };
    check_sysctls(spec)?;
    check_ids(spec, linux)?;
    if let Some(path) = &linux.cgroups_path {
        check_cgroups_path(path)?;
    }
    if !linux.net_devices.is_empty() && !has_namespace(spec, NamespaceKind::Network) {
        return Err(invalid("linux.netDevices needs a network namespace"));
    }
    network_devices::check_names(spec)?;
    match linux.rootfs_propagation.as_deref() {
        Some(name) if !rootfs::is_propagation(name) => {
            Err(invalid(format!("linux.rootfsPropagation: unknown {name:?}")))
        }
        _ => Ok(()),
    }
}

/// Checks a process that was not read by [`parse`] or [`parse_process`], which do this themselves.
pub fn check_process(process: &Process) -> Result<()> {
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
    scheduling::check(process, None)?;
    labels::check_process(process)
}

fn has_namespace(spec: &Spec, kind: NamespaceKind) -> bool {
    namespaces::of(spec).iter().any(|namespace| namespace.kind == kind)
}

fn check_namespaces(spec: &Spec) -> Result<()> {
    let all = namespaces::of(spec);
    for (index, namespace) in all.iter().enumerate() {
        if all[..index].iter().any(|other| other.kind == namespace.kind) {
            return Err(invalid(format!("linux.namespaces has {:?} twice", namespace.kind)));
        }
    }
    check_shared_mounts(spec)?;
    let offsets = spec.linux.as_ref().is_some_and(|linux| !linux.time_offsets.is_empty());
    if offsets && !namespaces::is_new(spec, NamespaceKind::Time) {
        return Err(invalid("linux.timeOffsets needs a new time namespace"));
    }
    let names_host = spec.hostname.is_some() || spec.domainname.is_some();
    if names_host && !namespaces::differs_from_ours(spec, NamespaceKind::Uts) {
        return Err(invalid("hostname and domainname need a uts namespace, or they would be the host's"));
    }
    Ok(())
}

/// If the container shares its mount namespace, everything it mounts would appear, and stay, in the other processes' view.
fn check_shared_mounts(spec: &Spec) -> Result<()> {
    if namespaces::owns_mounts(spec) {
        return Ok(());
    }
    let linux = spec.linux.clone().unwrap_or_default();
    let named = [
        ("mounts", !spec.mounts.is_empty()),
        ("root.readonly", spec.root.as_ref().is_some_and(|root| root.readonly)),
        ("linux.maskedPaths", !linux.masked_paths.is_empty()),
        ("linux.readonlyPaths", !linux.readonly_paths.is_empty()),
        ("linux.devices", !linux.devices.is_empty()),
        ("linux.rootfsPropagation", linux.rootfs_propagation.is_some()),
    ];
    match named.iter().find(|(_, is_set)| *is_set) {
        Some((name, _)) => {
            Err(invalid(format!("{name} needs a new mount namespace, or it would be others' too")))
        }
        None => Ok(()),
    }
}

/// A new user namespace is useless without mappings, and mappings have no effect without a user namespace.
fn check_ids(spec: &Spec, linux: &Linux) -> Result<()> {
    let mapped = (!linux.uid_mappings.is_empty(), !linux.gid_mappings.is_empty());
    let is_new = namespaces::is_new(spec, NamespaceKind::User);
    match mapped {
        (true, true) if has_namespace(spec, NamespaceKind::User) => Ok(()),
        (false, false) if !is_new => Ok(()),
        (true, true) => Err(invalid("linux.uidMappings and linux.gidMappings need a user namespace")),
        _ => Err(invalid("a user namespace needs linux.uidMappings and linux.gidMappings, both")),
    }?;
    let needs_container = |mount: &&Mount| {
        let idmap = |option: &String| option == "idmap" || option == "ridmap";
        mount.options.iter().any(idmap) && mount.uid_mappings.is_empty()
    };
    match spec.mounts.iter().find(needs_container) {
        Some(mount) if !has_namespace(spec, NamespaceKind::User) => Err(invalid(format!(
            "mount {}: idmap without uidMappings takes those of a user namespace, and there is none",
            mount.destination.display()
        ))),
        _ => Ok(()),
    }
}

fn check_mount(mount: &Mount) -> Result<()> {
    let shown = mount.destination.display();
    if mount.uid_mappings.is_empty() != mount.gid_mappings.is_empty() {
        return Err(invalid(format!("mount {shown}: uidMappings and gidMappings come together")));
    }
    if !mount.uid_mappings.is_empty() && !rootfs::is_bind(mount) {
        return Err(invalid(format!("mount {shown}: ids can be mapped in a bind mount only")));
    }
    match rootfs::inapplicable_option(mount) {
        Some(option) => Err(invalid(format!("mount {shown}: option {option:?} cannot be applied to it"))),
        None => Ok(()),
    }
}

/// Checks that every sysctl belongs to a namespace of the container, or of another container that it shares one with.
pub(crate) fn check_sysctls(spec: &Spec) -> Result<()> {
    let names = spec.linux.iter().flat_map(|linux| linux.sysctl.keys());
    names.into_iter().try_for_each(|name| check_sysctl(spec, name))
}

/// The kind of namespace that a sysctl belongs to. `None` for one of the whole machine.
pub fn namespace_of_sysctl(name: &str) -> Option<NamespaceKind> {
    let dotted = name.replace('/', ".");
    // A part that is empty would name a directory, or lead out of one.
    let is_file = !dotted.split('.').any(str::is_empty);
    if IPC_SYSCTLS.contains(&dotted.as_str()) || (dotted.starts_with("fs.mqueue.") && is_file) {
        Some(NamespaceKind::Ipc)
    } else if dotted.starts_with("net.") && is_file {
        Some(NamespaceKind::Network)
    } else if dotted == "kernel.domainname" {
        Some(NamespaceKind::Uts)
    } else {
        None
    }
}

/// A sysctl that belongs to no namespace, or to the host's, would change the whole machine.
fn check_sysctl(spec: &Spec, name: &str) -> Result<()> {
    match namespace_of_sysctl(name) {
        Some(kind) if namespaces::differs_from_ours(spec, kind) => Ok(()),
        Some(kind) => Err(invalid(format!("sysctl {name:?} needs a namespace of its own: {kind:?}"))),
        None => Err(invalid(format!("sysctl {name:?} would be set for the whole machine"))),
    }
}

/// Refuses `..`, which would lead out of the hierarchy, and the root cgroup, which holds every process.
fn check_cgroups_path(path: &str) -> Result<()> {
    let mut components = Path::new(path).components();
    let is_plain = components.all(|component| matches!(component, Component::RootDir | Component::Normal(_)));
    if !is_plain || path.contains('\0') || (!path.is_empty() && path.trim_matches('/').is_empty()) {
        return Err(invalid(format!("linux.cgroupsPath {path:?}: expected names below the root cgroup")));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
