//! `Config`: a container's program, its user and environment. An image has one too.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Empty, nullable, words};

/// The `Config` of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Config {
    pub hostname: String,
    pub domainname: String,
    pub user: String,
    pub attach_stdin: bool,
    pub attach_stdout: bool,
    pub attach_stderr: bool,
    /// Keyed by `PORT/PROTOCOL`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "nullable::deserialize")]
    pub exposed_ports: BTreeMap<String, Empty>,
    pub tty: bool,
    /// Whether stdin is kept open.
    pub open_stdin: bool,
    /// Whether stdin is closed when the first client detaches.
    pub stdin_once: bool,
    #[serde(deserialize_with = "nullable::deserialize")]
    pub env: Vec<String>,
    #[serde(deserialize_with = "words::deserialize")]
    pub cmd: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    pub image: String,
    /// The paths in the container at which anonymous volumes are mounted.
    #[serde(with = "nullable")]
    pub volumes: BTreeMap<String, Empty>,
    pub working_dir: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub network_disabled: bool,
    /// An old place for the address on the first network.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mac_address: String,
    /// An empty list in a request clears the image's entrypoint; `None` keeps it.
    #[serde(deserialize_with = "words::deserialize")]
    pub entrypoint: Option<Vec<String>>,
    #[serde(with = "nullable")]
    pub on_build: Vec<String>,
    #[serde(deserialize_with = "nullable::deserialize")]
    pub labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<i64>,
    /// What a Dockerfile's RUN runs its commands with.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable::deserialize")]
    pub shell: Vec<String>,
}

/// The `Config` of an image. dockerd has fewer fields here than in a container's, and other rules for what is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImageConfig {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub args_escaped: bool,
    pub cmd: Option<Vec<String>>,
    pub entrypoint: Option<Vec<String>>,
    #[serde(with = "nullable")]
    pub env: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "nullable::deserialize")]
    pub exposed_ports: BTreeMap<String, Empty>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    #[serde(with = "nullable")]
    pub labels: BTreeMap<String, String>,
    #[serde(with = "nullable")]
    pub on_build: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable::deserialize")]
    pub shell: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    #[serde(deserialize_with = "nullable::deserialize")]
    pub user: String,
    #[serde(with = "nullable")]
    pub volumes: BTreeMap<String, Empty>,
    #[serde(deserialize_with = "nullable::deserialize")]
    pub working_dir: String,
}

/// Durations are nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Healthcheck {
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable::deserialize")]
    pub test: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_period: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_interval: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<i64>,
}
