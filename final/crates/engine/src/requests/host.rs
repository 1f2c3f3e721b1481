//! `HostConfig`: limits, namespaces, privileges, restart policy and log.

use std::collections::BTreeMap;

use hull_docker::flags::{device, hosts, ipc, log, namespace, security, ulimit, volumes_from};
use hull_docker::wire::host_config::{self, HostConfig, LogConfig};

use super::resources::resources;
use super::{invalid, non_empty, on_one_line, positive, refuse};
use crate::error::Result;
use crate::records::options::{
    CreateOptions, DeviceOption, IpcSharing, LogDriver, LogOptions, NamespaceMode, RestartPolicy,
    SeccompOption, StorageOptions, Ulimit,
};
use crate::records::runtime::RuntimeOption;

/// All but mounts and networks.
pub fn options(host: HostConfig) -> Result<CreateOptions> {
    refuse_unknown(&host)?;
    let (ipc, ipc_sharing) = ipc_mode(&host.ipc_mode)?;
    let mut options = CreateOptions {
        resources: resources(&host)?,
        cgroup_parent: cgroup_parent(host.cgroup_parent)?,
        annotations: host.annotations,
        group_add: host.group_add,
        auto_remove: host.auto_remove,
        init: host.init.unwrap_or(false),
        volumes_from: host.volumes_from,
        volume_driver: host.volume_driver,
        read_only: host.readonly_rootfs,
        shm_size: positive("ShmSize", host.shm_size)?,
        devices: host.devices.into_iter().map(device_option).collect::<Result<_>>()?,
        device_cgroup_rules: host.device_cgroup_rules,
        device_requests: host.device_requests,
        ulimits: host.ulimits.into_iter().map(ulimit_option).collect::<Result<_>>()?,
        oom_score_adj: host.oom_score_adj.map(oom_score_adj).transpose()?,
        sysctls: host.sysctls,
        publish_all: host.publish_all_ports,
        dns: host.dns,
        dns_search: host.dns_search,
        dns_options: host.dns_options,
        add_hosts: host.extra_hosts,
        pid: namespace_mode("PidMode", &host.pid_mode)?,
        ipc,
        ipc_sharing,
        uts: namespace_mode("UTSMode", &host.uts_mode)?,
        cgroupns: namespace_mode("CgroupnsMode", &host.cgroupns_mode)?,
        userns: super::userns::options(&host.userns_mode, host.id_mappings)?,
        console_size: Some(host.console_size)
            .filter(|[rows, _]| *rows != 0)
            .map(|[rows, columns]| (rows, columns)),
        masked_paths: paths("MaskedPaths", host.masked_paths)?,
        readonly_paths: paths("ReadonlyPaths", host.readonly_paths)?,
        cap_add: known_capabilities("CapAdd", host.cap_add)?,
        cap_drop: known_capabilities("CapDrop", host.cap_drop)?,
        privileged: host.privileged,
        runtime: non_empty(host.runtime).map(|name| RuntimeOption { name, ..RuntimeOption::default() }),
        restart: restart_policy(&host.restart_policy)?,
        log: log_options(host.log_config)?,
        storage: storage_options(host.storage_opt)?,
        ..CreateOptions::default()
    };
    for rule in &options.device_cgroup_rules {
        device::parse_rule(rule).map_err(|why| invalid(format!("device rule {rule:?}"), why))?;
    }
    for text in &options.volumes_from {
        volumes_from::parse(text).map_err(|why| invalid(format!("volumes from {text:?}"), why))?;
    }
    on_one_line("Dns", &options.dns)?;
    on_one_line("DnsSearch", &options.dns_search)?;
    on_one_line("DnsOptions", &options.dns_options)?;
    on_one_line("ExtraHosts", &options.add_hosts)?;
    for entry in &options.add_hosts {
        hosts::parse(entry).map_err(|why| invalid(format!("host {entry:?}"), why))?;
    }
    for option in &host.security_opt {
        apply_security_option(option, &mut options)?;
    }
    Ok(options)
}

/// `CpuCount`, `CpuPercent` and `Cgroup` mean nothing on Linux, and dockerd ignores them.
fn refuse_unknown(host: &HostConfig) -> Result<()> {
    if !["", "default"].contains(&&*host.isolation) {
        return Err(invalid(format!("isolation ({})", host.isolation), "linux only supports 'default'"));
    }
    refuse(&[
        (host.io_maximum_iops != 0, "IOMaximumIOps"),
        (host.io_maximum_bandwidth != 0, "IOMaximumBandwidth"),
    ])
}

/// A path below the hierarchies' roots. systemd's `NAME.slice` is a path, too: hull makes its cgroups itself, as docker
/// with its driver cgroupfs.
fn cgroup_parent(text: String) -> Result<Option<String>> {
    match text.split('/').any(|part| part == "..") {
        true => Err(invalid(format!("cgroup parent {text:?}"), "it is a path without ..")),
        false => Ok(non_empty(text).filter(|text| text.chars().any(|c| c != '/'))),
    }
}

/// docker's `size`, and hull's own `pool`.
fn storage_options(given: BTreeMap<String, String>) -> Result<StorageOptions> {
    let mut options = StorageOptions::default();
    for (key, value) in given {
        match key.as_str() {
            "size" => {
                let what = format!("storage option size={value}");
                options.size = Some(hull_docker::size::parse(&value).map_err(|why| invalid(what, why))?);
            }
            "pool" => options.pool = Some(value),
            _ => return Err(invalid(format!("storage option {key:?}"), "hull has size and pool")),
        }
    }
    Ok(options)
}

/// 0 is a score like any other: it is written, whatever the caller's own score is.
fn oom_score_adj(score: i64) -> Result<i32> {
    match i32::try_from(score) {
        Ok(score) if (-1000..=1000).contains(&score) => Ok(score),
        _ => Err(invalid("OomScoreAdj", "it is -1000 to 1000")),
    }
}

fn paths(key: &str, paths: Option<Vec<String>>) -> Result<Option<Vec<String>>> {
    match paths.iter().flatten().find(|path| !path.starts_with('/') || path.contains('\0')) {
        Some(path) => Err(invalid(key, format!("{path:?} is not an absolute path"))),
        None => Ok(paths),
    }
}

fn device_option(device: host_config::Device) -> Result<DeviceOption> {
    let what = format!("device {device}");
    let device = device::complete(device).map_err(|why| invalid(what, why))?;
    Ok(DeviceOption {
        host: device.path_on_host.into(),
        container: device.path_in_container.into(),
        permissions: device.cgroup_permissions,
    })
}

fn ulimit_option(limit: host_config::Ulimit) -> Result<Ulimit> {
    ulimit::check(&limit).map_err(|why| invalid(format!("ulimit {limit}"), why))?;
    Ok(Ulimit { name: limit.name, soft: limit.soft, hard: limit.hard })
}

fn namespace_mode(key: &str, text: &str) -> Result<NamespaceMode> {
    match namespace::parse(text).map_err(|why| invalid(key, why))? {
        namespace::Mode::Private => Ok(NamespaceMode::Private),
        namespace::Mode::Host => Ok(NamespaceMode::Host),
        namespace::Mode::Container(name) => Ok(NamespaceMode::Container(name)),
    }
}

fn ipc_mode(text: &str) -> Result<(NamespaceMode, IpcSharing)> {
    let own = |sharing| (NamespaceMode::Private, sharing);
    Ok(match ipc::parse(text).map_err(|why| invalid("IpcMode", why))? {
        ipc::Mode::Private => own(IpcSharing::Private),
        ipc::Mode::Shareable => own(IpcSharing::Shareable),
        ipc::Mode::NoMemory => own(IpcSharing::NoMemory),
        ipc::Mode::Host => (NamespaceMode::Host, IpcSharing::Private),
        ipc::Mode::Container(name) => (NamespaceMode::Container(name), IpcSharing::Private),
    })
}

pub(super) fn restart_policy(policy: &host_config::RestartPolicy) -> Result<RestartPolicy> {
    match (policy.name.as_str(), policy.maximum_retry_count) {
        ("" | "no", 0) => Ok(RestartPolicy::No),
        ("always", 0) => Ok(RestartPolicy::Always),
        ("unless-stopped", 0) => Ok(RestartPolicy::UnlessStopped),
        ("on-failure", count) if u32::try_from(count).is_ok() => Ok(RestartPolicy::OnFailure(count as u32)),
        (name, count) => Err(invalid(
            format!("restart policy {name:?} with {count} retries"),
            "expected no, always, unless-stopped or on-failure, and a number of retries only for the last",
        )),
    }
}

/// docker's text for a name that no kernel has.
fn known_capabilities(key: &str, names: Vec<String>) -> Result<Vec<String>> {
    let full = security::capabilities(&names);
    match full.iter().find(|name| *name != "ALL" && !hull_runtime::security::capabilities::is_known(name)) {
        Some(unknown) => Err(invalid(key, format!("unknown capability: {unknown:?}"))),
        None => Ok(names),
    }
}

fn log_options(log: LogConfig) -> Result<LogOptions> {
    let log = log::with_defaults(log);
    let settings = log::parse(&log).map_err(|why| invalid("log options", why))?;
    let driver = match settings.driver {
        log::Driver::JsonFile => LogDriver::JsonFile,
        log::Driver::Local => LogDriver::Local,
        log::Driver::Journald => LogDriver::Journald,
        log::Driver::None => LogDriver::None,
    };
    Ok(LogOptions { driver, max_size: settings.max_size, max_file: settings.max_file, config: log.config })
}

fn apply_security_option(text: &str, options: &mut CreateOptions) -> Result<()> {
    use security::{Seccomp, SecurityOption};
    match security::parse(text).map_err(|why| invalid("security option", why))? {
        SecurityOption::NoNewPrivileges(value) => options.no_new_privileges = value,
        SecurityOption::Seccomp(Seccomp::Builtin) => options.seccomp = SeccompOption::Default,
        SecurityOption::Seccomp(Seccomp::Unconfined) => options.seccomp = SeccompOption::Unconfined,
        SecurityOption::Seccomp(Seccomp::Policy(policy)) => options.seccomp = SeccompOption::Policy(policy),
        SecurityOption::Nothing => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_oom_score_of_zero_is_not_the_callers() {
        let score = |given| {
            options(HostConfig { oom_score_adj: given, ..HostConfig::default() }).unwrap().oom_score_adj
        };
        assert_eq!((score(Some(0)), score(Some(-5)), score(None)), (Some(0), Some(-5), None));
    }

    #[test]
    fn a_device_and_volumes_from_are_checked() {
        let device = |host: &str, permissions: &str| {
            let device = host_config::Device {
                path_on_host: host.into(),
                cgroup_permissions: permissions.into(),
                ..Default::default()
            };
            options(HostConfig { devices: vec![device], ..HostConfig::default() })
        };
        let complete = &device("/dev/null", "").unwrap().devices[0];
        assert_eq!((complete.container.to_str(), &*complete.permissions), (Some("/dev/null"), "rwm"));
        assert!(device("null", "").unwrap_err().to_string().contains("null"));
        assert!(device("/dev/null", "x").is_err());
        let from = |text: &str| options(HostConfig { volumes_from: vec![text.into()], ..Default::default() });
        assert_eq!(from("a:ro").unwrap().volumes_from, ["a:ro"]);
        assert!(from("a:foo").unwrap_err().to_string().contains("a:foo"));
    }

    #[test]
    fn what_dockerd_ignores_is_ignored() {
        let host = HostConfig {
            cpu_count: 2,
            cpu_percent: 3,
            cgroup: "x".into(),
            container_id_file: "/x".into(),
            isolation: "default".into(),
            ..HostConfig::default()
        };
        assert_eq!(options(host).unwrap(), options(HostConfig::default()).unwrap());
    }

    #[test]
    fn what_hull_does_not_have_is_refused_by_its_key() {
        let refused = |host: HostConfig| options(host).unwrap_err().to_string();
        let text = refused(HostConfig { io_maximum_iops: 2, ..HostConfig::default() });
        assert!(text.contains("IOMaximumIOps"), "{text}");
        let text = refused(HostConfig { isolation: "hyperv".into(), ..HostConfig::default() });
        assert!(text.contains("isolation (hyperv)"), "{text}");
        let text =
            refused(HostConfig { cap_add: vec!["CHOWN".into(), "nothing".into()], ..HostConfig::default() });
        assert!(text.contains("CAP_NOTHING"), "{text}");
        let text = refused(HostConfig { masked_paths: Some(vec!["proc".into()]), ..HostConfig::default() });
        assert!(text.contains("MaskedPaths"), "{text}");
        let text = refused(HostConfig { cgroup_parent: "/a/../x".into(), ..HostConfig::default() });
        assert!(text.contains("/a/../x"), "{text}");
        for (name, count) in [("sometimes", 0), ("always", 2), ("on-failure", -1)] {
            let restart_policy = host_config::RestartPolicy { name: name.into(), maximum_retry_count: count };
            assert!(refused(HostConfig { restart_policy, ..HostConfig::default() }).contains(name));
        }
        assert!(refused(HostConfig { memory: -1, ..HostConfig::default() }).contains("Memory"));
        assert!(
            refused(HostConfig { oom_score_adj: Some(2000), ..HostConfig::default() })
                .contains("OomScoreAdj")
        );
    }
}
