//! `HostConfig` of `inspect`: what the container takes of the host.

use hull_docker::size;
use hull_docker::wire::host_config::{
    Device, HostConfig, IdMappings, LogConfig, RestartPolicy, ThrottleDevice, Ulimit, WeightDevice,
};
use hull_runtime::security::defaults;

use super::text;
use crate::engine::Engine;
use crate::net::{links_are_in_hosts, network_mode, port_bindings};
use crate::records::block_io::{BlockIoOptions, DeviceRate, DeviceWeight};
use crate::records::options::{
    self, CreateOptions, IpcSharing, LogDriver, NamespaceMode, ResourceOptions, SeccompOption,
};
use crate::records::record::Record;
use crate::records::shown_mounts as mounts;
use crate::records::userns::{self, IdMaps};

/// Fields that hull does not support are unset.
pub(super) fn describe(engine: &Engine, record: &Record) -> HostConfig {
    let options = &record.options;
    HostConfig {
        binds: mounts::binds(options),
        log_config: log_config(options),
        network_mode: network_mode(options),
        port_bindings: port_bindings(record),
        restart_policy: restart_policy(&options.restart),
        auto_remove: options.auto_remove,
        volume_driver: options.volume_driver.clone(),
        volumes_from: options.volumes_from.clone(),
        annotations: options.annotations.clone(),
        console_size: options.console_size.map_or([0; 2], |(rows, columns)| [rows, columns]),
        cap_add: options.cap_add.clone(),
        cap_drop: options.cap_drop.clone(),
        cgroupns_mode: private_or_other(&options.cgroupns),
        dns: options.dns.clone(),
        dns_options: options.dns_options.clone(),
        dns_search: options.dns_search.clone(),
        extra_hosts: options.add_hosts.clone(),
        group_add: options.group_add.clone(),
        ipc_mode: match (&options.ipc, options.ipc_sharing) {
            (NamespaceMode::Private, IpcSharing::Shareable) => "shareable".into(),
            (NamespaceMode::Private, IpcSharing::NoMemory) => "none".into(),
            (mode, _) => private_or_other(mode),
        },
        links: links(engine, record),
        oom_score_adj: Some(options.oom_score_adj.unwrap_or(0).into()),
        pid_mode: empty_or_other(&options.pid),
        privileged: options.privileged,
        publish_all_ports: options.publish_all,
        readonly_rootfs: options.read_only,
        security_opt: security_options(options),
        tmpfs: mounts::tmpfs(options),
        uts_mode: empty_or_other(&options.uts),
        userns_mode: userns_mode(record),
        id_mappings: record.id_maps.as_ref().map(id_mappings),
        shm_size: number(options.shm_size.unwrap_or(64 << 20)),
        sysctls: options.sysctls.clone(),
        runtime: options.runtime.as_ref().map_or("hull".into(), |runtime| runtime.name.clone()),
        cgroup_parent: options.cgroup_parent.clone().unwrap_or_default(),
        devices: options.devices.iter().map(device).collect(),
        device_cgroup_rules: options.device_cgroup_rules.clone(),
        device_requests: options.device_requests.clone(),
        ulimits: options.ulimits.iter().map(ulimit).collect(),
        mounts: mounts::mounts(options),
        masked_paths: options.masked_paths.clone().or_else(|| protected(options, defaults::MASKED_PATHS)),
        readonly_paths: options
            .readonly_paths
            .clone()
            .or_else(|| protected(options, defaults::READONLY_PATHS)),
        init: options.init.then_some(true),
        ..limits(&options.resources)
    }
}

/// What gives the same namespace when it is asked for again.
fn userns_mode(record: &Record) -> String {
    let options = &record.options.userns;
    match options.mode.as_str() {
        "" if options.has_maps() => "private".into(),
        mode => mode.into(),
    }
}

fn id_mappings(maps: &IdMaps) -> IdMappings {
    let texts = |maps: &[_]| maps.iter().map(userns::text).collect();
    IdMappings { uid_map: texts(&maps.uids), gid_map: texts(&maps.gids), ..IdMappings::default() }
}

fn limits(limits: &ResourceOptions) -> HostConfig {
    // docker computes the default in 64 bits and shows what that gives, so a limit near the largest number wraps around. The
    // kernel gets a saturated number (`spec/resources.rs`).
    let default_swap = limits.memory.map(|limit| limit.wrapping_mul(2));
    HostConfig {
        cpu_shares: number(limits.cpu_shares.unwrap_or(0)),
        memory: limits.memory.unwrap_or(0),
        nano_cpus: number(limits.nano_cpus.unwrap_or(0)),
        cpu_period: number(limits.cpu_period.unwrap_or(0)),
        cpu_quota: limits.cpu_quota.unwrap_or(0),
        cpu_realtime_period: number(limits.cpu_rt_period.unwrap_or(0)),
        cpu_realtime_runtime: number(limits.cpu_rt_runtime.unwrap_or(0)),
        cpuset_cpus: limits.cpuset_cpus.clone().unwrap_or_default(),
        cpuset_mems: limits.cpuset_mems.clone().unwrap_or_default(),
        memory_reservation: limits.memory_reservation.unwrap_or(0),
        memory_swap: limits.memory_swap.or(default_swap).unwrap_or(0),
        memory_swappiness: limits.memory_swappiness.map(number),
        oom_kill_disable: Some(limits.oom_kill_disable),
        pids_limit: limits.pids_limit,
        ..block_io(&limits.block_io)
    }
}

fn block_io(limits: &BlockIoOptions) -> HostConfig {
    let path = |path: &std::path::Path| path.display().to_string();
    let rates = |devices: &[DeviceRate]| {
        devices.iter().map(|one| ThrottleDevice { path: path(&one.path), rate: one.rate }).collect()
    };
    let weight = |one: &DeviceWeight| WeightDevice { path: path(&one.path), weight: one.weight };
    HostConfig {
        blkio_weight: limits.weight.unwrap_or(0),
        blkio_weight_device: limits.weight_devices.iter().map(weight).collect(),
        blkio_device_read_bps: rates(&limits.read_bps),
        blkio_device_write_bps: rates(&limits.write_bps),
        blkio_device_read_iops: rates(&limits.read_iops),
        blkio_device_write_iops: rates(&limits.write_iops),
        ..HostConfig::default()
    }
}

/// Go's JSON has signed numbers for all of these.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn device(device: &options::DeviceOption) -> Device {
    Device {
        path_on_host: text(&device.host),
        path_in_container: text(&device.container),
        cgroup_permissions: device.permissions.clone(),
    }
}

fn ulimit(limit: &options::Ulimit) -> Ulimit {
    Ulimit { name: limit.name.clone(), hard: limit.hard, soft: limit.soft }
}

/// docker's form: `/OTHER:/OWN/ALIAS`. The record has the other container's id, and its name is shown. The links of a user's
/// networks are in `NetworkSettings`.
fn links(engine: &Engine, record: &Record) -> Vec<String> {
    if !links_are_in_hosts(&record.options) {
        return vec![];
    }
    let name = |other: &str| engine.find(other).map_or_else(|_| other.to_owned(), |other| other.name);
    let link = |(other, alias): &(String, String)| format!("/{}:/{}/{alias}", name(other), record.name);
    record.options.links.iter().map(link).collect()
}

/// A privileged container sees everything, which docker shows as null.
fn protected(options: &CreateOptions, paths: &[&str]) -> Option<Vec<String>> {
    (!options.privileged).then(|| paths.iter().map(|path| (*path).to_owned()).collect())
}

fn log_config(options: &CreateOptions) -> LogConfig {
    let kind = match options.log.driver {
        LogDriver::JsonFile => "json-file",
        LogDriver::Local => "local",
        LogDriver::Journald => "journald",
        LogDriver::None => "none",
    };
    if !options.log.config.is_empty() {
        return LogConfig { kind: kind.into(), config: options.log.config.clone() };
    }
    // A record of an older hull, which limited no log by itself.
    let size = options.log.max_size.map(|size| ("max-size".to_owned(), size::exact(size)));
    let files = options.log.max_file.map(|files| ("max-file".to_owned(), files.to_string()));
    LogConfig { kind: kind.into(), config: size.into_iter().chain(files).collect() }
}

fn restart_policy(policy: &options::RestartPolicy) -> RestartPolicy {
    let (name, count) = match policy {
        options::RestartPolicy::No => ("no", 0),
        options::RestartPolicy::Always => ("always", 0),
        options::RestartPolicy::UnlessStopped => ("unless-stopped", 0),
        options::RestartPolicy::OnFailure(count) => ("on-failure", *count),
    };
    RestartPolicy { name: name.into(), maximum_retry_count: count.into() }
}

fn security_options(options: &CreateOptions) -> Vec<String> {
    let mut list = Vec::new();
    if options.no_new_privileges {
        list.push("no-new-privileges".to_owned());
    }
    match &options.seccomp {
        SeccompOption::Default => {}
        SeccompOption::Unconfined => list.push("seccomp=unconfined".into()),
        SeccompOption::Policy(text) => list.push(format!("seccomp={text}")),
    }
    list
}

fn private_or_other(mode: &NamespaceMode) -> String {
    match mode {
        NamespaceMode::Private => "private".into(),
        other => empty_or_other(other),
    }
}

fn empty_or_other(mode: &NamespaceMode) -> String {
    match mode {
        NamespaceMode::Private => String::new(),
        NamespaceMode::Host => "host".into(),
        NamespaceMode::Container(id) => format!("container:{id}"),
    }
}
