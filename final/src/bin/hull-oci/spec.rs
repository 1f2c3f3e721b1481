//! `spec`: writes an example `config.json`.

use std::fs::OpenOptions;
use std::io::Write;

use anyhow::{Context, Result};
use hull_runtime::cgroups::Layout;
use hull_runtime::defaults;
use hull_runtime::security::defaults::{MASKED_PATHS, READONLY_PATHS};
use hull_runtime::spec::{
    Capabilities, DeviceRule, IdMapping, Linux, Mount, Namespace, NamespaceKind, Process, Resources, Rlimit,
    Root, Spec,
};

use crate::bundle::OCI_VERSION;
use crate::cli;

const CAPABILITIES: [&str; 3] = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];

pub fn spec(args: &cli::Spec) -> Result<u8> {
    let mut spec = example();
    if args.rootless {
        make_rootless(&mut spec);
    }
    let path = args.bundle.join("config.json");
    let text = serde_json::to_string_pretty(&spec)?;
    // Never over somebody's work.
    let file = OpenOptions::new().write(true).create_new(true).open(&path);
    file.and_then(|mut file| file.write_all(format!("{text}\n").as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(0)
}

fn example() -> Spec {
    let names = || CAPABILITIES.map(str::to_owned).to_vec();
    let process = Process {
        terminal: true,
        args: vec!["sh".into()],
        env: vec![
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into(),
            "TERM=xterm".into(),
        ],
        cwd: "/".into(),
        capabilities: Some(Capabilities {
            bounding: names(),
            effective: names(),
            permitted: names(),
            ..Capabilities::default()
        }),
        rlimits: vec![Rlimit { kind: "RLIMIT_NOFILE".into(), soft: 1024, hard: 1024 }],
        no_new_privileges: true,
        ..Process::default()
    };
    use NamespaceKind::{Cgroup, Ipc, Mount, Network, Pid, Uts};
    // On v1 the container's cgroups are bind-mounted instead, so that /proc/PID/cgroup shows the same paths inside and
    // outside.
    let has_v1 = matches!(hull_runtime::cgroups::detect(), Ok(Layout::V1 { .. }));
    let cgroup = (!has_v1).then_some(Cgroup);
    let deny_all = DeviceRule { access: Some("rwm".into()), ..DeviceRule::default() };
    let linux = Linux {
        namespaces: [Pid, Network, Ipc, Uts, Mount].into_iter().chain(cgroup).map(new).collect(),
        resources: Some(Resources { devices: vec![deny_all], ..Resources::default() }),
        masked_paths: MASKED_PATHS.iter().map(Into::into).collect(),
        readonly_paths: READONLY_PATHS.iter().map(Into::into).collect(),
        ..Linux::default()
    };
    Spec {
        oci_version: OCI_VERSION.into(),
        process: Some(process),
        root: Some(Root { path: "rootfs".into(), readonly: true }),
        hostname: Some("hull".into()),
        mounts: defaults::mounts(),
        linux: Some(linux),
        ..Spec::default()
    }
}

fn new(kind: NamespaceKind) -> Namespace {
    Namespace { kind, path: None }
}

/// As an unprivileged user: no network or cgroup of one's own, and one id.
fn make_rootless(spec: &mut Spec) {
    if let Some(linux) = &mut spec.linux {
        linux.namespaces.retain(|one| one.kind != NamespaceKind::Network);
        linux.namespaces.push(new(NamespaceKind::User));
        let map = |host_id| vec![IdMapping { container_id: 0, host_id, size: 1 }];
        linux.uid_mappings = map(rustix::process::geteuid().as_raw());
        linux.gid_mappings = map(rustix::process::getegid().as_raw());
        linux.resources = None;
    }
    for mount in &mut spec.mounts {
        // A group without a mapping.
        mount.options.retain(|option| option != "gid=5");
    }
    // sysfs shows the network namespace it is mounted in, and the kernel lets its owner only mount it.
    if let Some(sys) = spec.mounts.iter_mut().find(|mount| mount.destination.ends_with("sys")) {
        let options = ["rbind", "nosuid", "noexec", "nodev", "ro"].map(str::to_owned).to_vec();
        let source = Some("/sys".into());
        *sys = Mount {
            destination: "/sys".into(),
            kind: Some("none".into()),
            source,
            options,
            ..Mount::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_can_be_applied() {
        let text = serde_json::to_vec(&example()).unwrap();
        assert_eq!(hull_runtime::config::parse(&text).unwrap(), example());
    }
}
