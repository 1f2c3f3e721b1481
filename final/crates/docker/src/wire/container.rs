//! A container, in full as `inspect` shows it and in short as `ps` does, and the request that creates one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::config::Config;
use super::host_config::HostConfig;
use super::network_settings::{EndpointSettings, NetworkSettings};
use super::{GraphDriver, lenient, nullable, ordered};

/// The body of `POST /containers/create`: the keys of a `Config`, and two more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct CreateRequest {
    #[serde(flatten)]
    pub config: Config,
    #[serde(deserialize_with = "nullable::deserialize")]
    pub host_config: HostConfig,
    #[serde(deserialize_with = "nullable::deserialize")]
    pub networking_config: NetworkingConfig,
}

impl CreateRequest {
    /// Reads a request as dockerd does ([`lenient`]).
    pub fn from_slice(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        /// The keys beside those of a `Config`.
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "PascalCase")]
        struct Others {
            #[serde(deserialize_with = "nullable::deserialize")]
            host_config: HostConfig,
            #[serde(deserialize_with = "nullable::deserialize")]
            networking_config: NetworkingConfig,
        }
        let config = lenient::from_slice(bytes)?;
        let Others { host_config, networking_config } = lenient::from_slice(bytes)?;
        Ok(Self { config, host_config, networking_config })
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct NetworkingConfig {
    /// Keyed by the network's name, in the order in which the container joins them.
    #[serde(with = "ordered")]
    pub endpoints_config: Vec<(String, EndpointSettings)>,
}

/// The answer of `POST /containers/{id}/update`, whose request is a [`HostConfig`] with limits and a restart policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct UpdateResponse {
    #[serde(with = "nullable")]
    pub warnings: Vec<String>,
}

/// `inspect`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Container {
    pub id: String,
    pub created: String,
    pub path: String,
    pub args: Vec<String>,
    pub state: State,
    /// The image's id.
    pub image: String,
    pub resolv_conf_path: String,
    pub hostname_path: String,
    pub hosts_path: String,
    pub log_path: String,
    /// The name, with a slash before it.
    pub name: String,
    pub restart_count: u32,
    pub driver: String,
    pub platform: String,
    pub mount_label: String,
    pub process_label: String,
    #[serde(rename = "AppArmorProfile")]
    pub apparmor_profile: String,
    #[serde(rename = "ExecIDs", with = "nullable")]
    pub exec_ids: Vec<String>,
    pub host_config: HostConfig,
    pub graph_driver: GraphDriver,
    /// Bytes that the container has written; only with `--size`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_rw: Option<u64>,
    /// The same with the image's layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_root_fs: Option<u64>,
    pub mounts: Vec<MountPoint>,
    pub config: Config,
    pub network_settings: NetworkSettings,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct State {
    /// `created`, `running`, `paused`, `restarting`, `exited` or `dead`.
    pub status: String,
    /// True also while it is paused and between two runs.
    pub running: bool,
    pub paused: bool,
    pub restarting: bool,
    #[serde(rename = "OOMKilled")]
    pub oom_killed: bool,
    pub dead: bool,
    pub pid: i32,
    pub exit_code: i64,
    pub error: String,
    pub started_at: String,
    pub finished_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Health {
    pub status: String,
    pub failing_streak: i64,
    #[serde(deserialize_with = "nullable::deserialize")]
    pub log: Vec<HealthResult>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct HealthResult {
    pub start: String,
    pub end: String,
    pub exit_code: i64,
    pub output: String,
}

/// A mount as it is in the container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct MountPoint {
    /// `bind`, `volume` or `tmpfs`.
    #[serde(rename = "Type")]
    pub kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub source: String,
    pub destination: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    pub mode: String,
    #[serde(rename = "RW")]
    pub rw: bool,
    pub propagation: String,
}

/// A line of `ps`, as `GET /containers/json` has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerSummary {
    pub id: String,
    /// With a slash before the name.
    pub names: Vec<String>,
    pub image: String,
    #[serde(rename = "ImageID")]
    pub image_id: String,
    pub command: String,
    /// Seconds since 1970.
    pub created: i64,
    pub ports: Vec<PortSummary>,
    /// Bytes that the container has written; only with `size`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_rw: Option<u64>,
    /// The same with the image's layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_root_fs: Option<u64>,
    #[serde(deserialize_with = "nullable::deserialize")]
    pub labels: BTreeMap<String, String>,
    pub state: String,
    /// `Up 5 minutes`.
    pub status: String,
    pub host_config: HostConfigSummary,
    pub network_settings: NetworkSettingsSummary,
    pub mounts: Vec<MountPoint>,
}

/// A port of a line of `ps`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PortSummary {
    #[serde(rename = "IP", skip_serializing_if = "String::is_empty")]
    pub ip: String,
    pub private_port: u16,
    /// `None` for a port that is only exposed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_port: Option<u16>,
    #[serde(rename = "Type")]
    pub kind: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct HostConfigSummary {
    pub network_mode: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "nullable::deserialize")]
    pub annotations: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct NetworkSettingsSummary {
    pub networks: BTreeMap<String, EndpointSettings>,
}

/// `X-Docker-Container-Path-Stat`: a file of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PathStat {
    pub name: String,
    pub size: i64,
    /// Go's `fs.FileMode`, whose bits for types are not the kernel's.
    pub mode: u32,
    pub mtime: String,
    /// Of a symlink: the path in the container.
    pub link_target: String,
}

/// A line of `GET /containers/{id}/changes`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Change {
    pub path: String,
    /// 0 is changed, 1 added, 2 deleted.
    pub kind: u8,
}

/// `GET /containers/{id}/top`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct TopResponse {
    pub processes: Vec<Vec<String>>,
    pub titles: Vec<String>,
}

/// `POST /containers/create`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct CreateResponse {
    pub id: String,
    pub warnings: Vec<String>,
}

/// `POST /containers/prune`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PruneResponse {
    #[serde(with = "nullable")]
    pub containers_deleted: Vec<String>,
    /// Bytes.
    pub space_reclaimed: u64,
}
