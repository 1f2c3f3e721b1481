//! `HostConfig`: a container's use of the host: limits, mounts, devices, namespaces, published ports.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::nullable;

/// Sizes are bytes. 0 and an empty text mean that nothing was set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct HostConfig {
    /// Mounts of `-v`, as `SOURCE:DESTINATION[:MODE]`.
    #[serde(with = "nullable")]
    pub binds: Vec<String>,
    #[serde(rename = "ContainerIDFile")]
    pub container_id_file: String,
    pub log_config: LogConfig,
    pub network_mode: String,
    #[serde(deserialize_with = "nullable::deserialize")]
    pub port_bindings: PortMap,
    pub restart_policy: RestartPolicy,
    pub auto_remove: bool,
    pub volume_driver: String,
    /// In the form `CONTAINER[:MODE]`.
    #[serde(with = "nullable")]
    pub volumes_from: Vec<String>,
    /// Rows and columns.
    pub console_size: [u16; 2],
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "nullable::deserialize")]
    pub annotations: BTreeMap<String, String>,
    #[serde(with = "nullable")]
    pub cap_add: Vec<String>,
    #[serde(with = "nullable")]
    pub cap_drop: Vec<String>,
    pub cgroupns_mode: String,
    #[serde(deserialize_with = "nullable::deserialize")]
    pub dns: Vec<String>,
    #[serde(deserialize_with = "nullable::deserialize")]
    pub dns_options: Vec<String>,
    #[serde(deserialize_with = "nullable::deserialize")]
    pub dns_search: Vec<String>,
    /// In the form `NAME:ADDRESS`.
    #[serde(with = "nullable")]
    pub extra_hosts: Vec<String>,
    #[serde(with = "nullable")]
    pub group_add: Vec<String>,
    pub ipc_mode: String,
    pub cgroup: String,
    /// In the form `/CONTAINER:/OWN/ALIAS` in an answer, and `CONTAINER:ALIAS` in a request.
    #[serde(with = "nullable")]
    pub links: Vec<String>,
    /// `None` is the caller's own, which docker's clients cannot ask for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom_score_adj: Option<i64>,
    pub pid_mode: String,
    pub privileged: bool,
    pub publish_all_ports: bool,
    pub readonly_rootfs: bool,
    #[serde(with = "nullable")]
    pub security_opt: Vec<String>,
    /// The options of each tmpfs, by its path.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "nullable::deserialize")]
    pub tmpfs: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "nullable::deserialize")]
    pub storage_opt: BTreeMap<String, String>,
    #[serde(rename = "UTSMode")]
    pub uts_mode: String,
    pub userns_mode: String,
    /// podman's.
    #[serde(rename = "IDMappings", skip_serializing_if = "Option::is_none")]
    pub id_mappings: Option<IdMappings>,
    pub shm_size: i64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "nullable::deserialize")]
    pub sysctls: BTreeMap<String, String>,
    pub runtime: String,
    pub isolation: String,
    pub cpu_shares: i64,
    pub memory: i64,
    pub nano_cpus: i64,
    pub cgroup_parent: String,
    pub blkio_weight: u16,
    #[serde(deserialize_with = "nullable::deserialize")]
    pub blkio_weight_device: Vec<WeightDevice>,
    #[serde(deserialize_with = "nullable::deserialize")]
    pub blkio_device_read_bps: Vec<ThrottleDevice>,
    #[serde(deserialize_with = "nullable::deserialize")]
    pub blkio_device_write_bps: Vec<ThrottleDevice>,
    #[serde(rename = "BlkioDeviceReadIOps", deserialize_with = "nullable::deserialize")]
    pub blkio_device_read_iops: Vec<ThrottleDevice>,
    #[serde(rename = "BlkioDeviceWriteIOps", deserialize_with = "nullable::deserialize")]
    pub blkio_device_write_iops: Vec<ThrottleDevice>,
    /// Microseconds.
    pub cpu_period: i64,
    /// Microseconds.
    pub cpu_quota: i64,
    pub cpu_realtime_period: i64,
    pub cpu_realtime_runtime: i64,
    pub cpuset_cpus: String,
    pub cpuset_mems: String,
    #[serde(deserialize_with = "nullable::deserialize")]
    pub devices: Vec<Device>,
    #[serde(with = "nullable")]
    pub device_cgroup_rules: Vec<String>,
    #[serde(with = "nullable")]
    pub device_requests: Vec<DeviceRequest>,
    pub memory_reservation: i64,
    /// The limit of memory and swap together; -1 means no limit.
    pub memory_swap: i64,
    pub memory_swappiness: Option<i64>,
    pub oom_kill_disable: Option<bool>,
    pub pids_limit: Option<i64>,
    #[serde(deserialize_with = "nullable::deserialize")]
    pub ulimits: Vec<Ulimit>,
    pub cpu_count: i64,
    pub cpu_percent: i64,
    #[serde(rename = "IOMaximumIOps")]
    pub io_maximum_iops: u64,
    #[serde(rename = "IOMaximumBandwidth")]
    pub io_maximum_bandwidth: u64,
    /// Mounts of `--mount`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable::deserialize")]
    pub mounts: Vec<Mount>,
    /// `None` in a request means docker's own list.
    pub masked_paths: Option<Vec<String>>,
    /// `None` in a request means docker's own list.
    pub readonly_paths: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<bool>,
}

/// The host's addresses for each published port of the container, `PORT/PROTOCOL`. `None`: exposed only.
pub type PortMap = BTreeMap<String, Option<Vec<PortBinding>>>;

/// podman's: the ids of a container with a user namespace of its own, as `INSIDE:OUTSIDE:COUNT`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct IdMappings {
    #[serde(deserialize_with = "nullable::deserialize")]
    pub uid_map: Vec<String>,
    #[serde(deserialize_with = "nullable::deserialize")]
    pub gid_map: Vec<String>,
    /// In a request: the name whose lines in /etc/subuid and /etc/subgid give the ids.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sub_uid_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sub_gid_name: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PortBinding {
    pub host_ip: String,
    /// A port or `FIRST-LAST`; empty for any free one.
    pub host_port: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct LogConfig {
    #[serde(rename = "Type")]
    pub kind: String,
    #[serde(deserialize_with = "nullable::deserialize")]
    pub config: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct RestartPolicy {
    pub name: String,
    pub maximum_retry_count: i64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Device {
    pub path_on_host: String,
    pub path_in_container: String,
    pub cgroup_permissions: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct DeviceRequest {
    pub driver: String,
    pub count: i64,
    #[serde(rename = "DeviceIDs", with = "nullable")]
    pub device_ids: Vec<String>,
    #[serde(with = "nullable")]
    pub capabilities: Vec<Vec<String>>,
    pub options: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct WeightDevice {
    pub path: String,
    pub weight: u16,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ThrottleDevice {
    pub path: String,
    pub rate: u64,
}

/// -1 means no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Ulimit {
    /// The name without `RLIMIT_`, in lower case: `nofile`.
    pub name: String,
    pub hard: i64,
    pub soft: i64,
}

/// One `--mount`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Mount {
    /// `bind`, `volume`, `tmpfs` or `image`.
    #[serde(rename = "Type")]
    pub kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    pub target: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub consistency: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bind_options: Option<BindOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_options: Option<VolumeOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tmpfs_options: Option<TmpfsOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_options: Option<ImageOptions>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct BindOptions {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub propagation: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub non_recursive: bool,
    /// Make a missing source directory, as `-v` does.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub create_mountpoint: bool,
    /// Of a read-only mount, the mounts below it stay writable.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read_only_non_recursive: bool,
    /// Fail if the mounts below a read-only mount cannot be made read-only.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read_only_force_recursive: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct VolumeOptions {
    /// Do not copy what the image has at the target into an empty volume.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_copy: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "nullable::deserialize")]
    pub labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver_config: Option<DriverConfig>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subpath: String,
}

/// The volume's driver. docker's client sends an empty one with every other option of a volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct DriverConfig {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "nullable::deserialize")]
    pub options: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImageOptions {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subpath: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct TmpfsOptions {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<i64>,
    /// The permission bits, as a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
    /// Each with its value, if it has one: `[["noexec"]]`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable::deserialize")]
    pub options: Vec<Vec<String>>,
}
