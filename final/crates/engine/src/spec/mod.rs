//! A container's record as an OCI `config.json` (runtime-spec 1.3).
//!
//! It is built at every start and not at `create`: the container's own /etc/passwd says which user a name means, and
//! another container's namespaces are found by its present pid.
//!
//! ```text
//! process, user   the program, its user and rights        namespaces   new ones, the host's, another container's
//! mounts, devices, cdi                                         resources, machine_limits, seccomp
//! ```

mod cdi;
mod devices;
mod machine_limits;
mod mounts;
mod namespaces;
mod process;
mod resources;
pub(crate) mod seccomp;
pub(crate) mod user;

use std::collections::BTreeMap;
use std::path::Path;

use hull_runtime::security::defaults;
use hull_runtime::spec::{Linux, Root, Spec};

use crate::engine::Engine;
use crate::error::Result;
use crate::records::options::{NamespaceMode, NetworkMode};
use crate::records::record::Record;
use crate::records::userns::IdMaps;

pub(crate) use cdi::request as cdi_request;
pub(crate) use devices::node_rules;
pub(crate) use machine_limits::check_cpus;
pub(crate) use mounts::{binds, one as one_mount};
pub(crate) use namespaces::{Joined, init_of};
pub(crate) use process::{console_size, exec_process, limit_descriptors, set_variables};
pub(crate) use resources::{
    LEAST_MEMORY, OF_MACHINE, check as check_resources, check_sysctls, device_rules, has_limits, limits,
};

/// `rootfs` is the mounted root file system; `cgroup` is a path below the cgroup root.
pub(crate) fn build(engine: &Engine, record: &Record, rootfs: &Path, cgroup: Option<&str>) -> Result<Spec> {
    let options = &record.options;
    let privileged = options.privileged;
    let linked = crate::net::link_variables(engine.root(), record)?;
    let process = process::process(record, rootfs, &linked)?;
    let capabilities = process.capabilities.as_ref().map(|sets| sets.bounding.clone()).unwrap_or_default();
    let paths = |asked: &Option<Vec<String>>, own: &[&str]| match asked {
        Some(asked) => asked.iter().map(Into::into).collect(),
        None if privileged => vec![],
        None => own.iter().map(Into::into).collect(),
    };
    let mut mounts = mounts::mounts(engine, record)?;
    mounts.extend(devices::binds(record)?);
    let no_ids = IdMaps::default();
    // A namespace that is joined has its ids already.
    let own_ids = record.id_maps.as_ref().filter(|_| options.userns.container().is_none()).unwrap_or(&no_ids);
    let mut spec = Spec {
        process: Some(process),
        root: Some(Root { path: rootfs.into(), readonly: options.read_only }),
        hostname: (options.uts == NamespaceMode::Private).then(|| record.hostname.clone()),
        domainname: options.domainname.clone(),
        mounts,
        annotations: annotations(record),
        linux: Some(Linux {
            namespaces: namespaces::namespaces(engine, record)?,
            devices: devices::nodes(record)?,
            cgroups_path: cgroup.map(str::to_owned),
            resources: Some(resources::resources(record)?),
            seccomp: seccomp::policy(options, &capabilities)?,
            sysctl: sysctls(record),
            uid_mappings: own_ids.uids.clone(),
            gid_mappings: own_ids.gids.clone(),
            masked_paths: paths(&options.masked_paths, defaults::MASKED_PATHS),
            readonly_paths: paths(&options.readonly_paths, defaults::READONLY_PATHS),
            ..Linux::default()
        }),
        ..Spec::default()
    };
    let mut requests = options.device_requests.clone();
    requests.extend(cdi::requests(&options.plugged.cdi));
    if !requests.is_empty() {
        cdi::apply(engine.cdi_edits(&requests)?, record, &mut spec)?;
    }
    Ok(spec)
}

/// docker's defaults for a container with a network namespace of its own: its unprivileged users may bind ports below
/// 1024 and use ping(8).
fn sysctls(record: &Record) -> BTreeMap<String, String> {
    let options = &record.options;
    let mut sysctls = BTreeMap::new();
    // The sysctls of a user-mode network, which is made before the container, are its user namespace's.
    let is_own = match options.network {
        NetworkMode::None | NetworkMode::Networks => true,
        NetworkMode::UserMode(_) => record.id_maps.is_none(),
        NetworkMode::Default | NetworkMode::Host | NetworkMode::Container(_) => false,
    };
    if is_own && !options.system {
        sysctls.insert("net.ipv4.ip_unprivileged_port_start".into(), "0".into());
        // All groups of the range must be mapped, and a user namespace maps fewer.
        if !record.in_user_namespace() {
            sysctls.insert("net.ipv4.ping_group_range".into(), "0 2147483647".into());
        }
    }
    sysctls.extend(options.sysctls.clone());
    sysctls
}

fn annotations(record: &Record) -> BTreeMap<String, String> {
    let mut annotations = record.options.annotations.clone();
    annotations.insert("org.opencontainers.image.stopSignal".into(), record.stop_signal.to_string());
    annotations
}
