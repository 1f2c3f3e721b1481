//! The options of a container: docker's, parsed and typed, and kept in `container.json`.
//!
//! `requests` fills them in; `spec` turns it into an OCI `config.json` each time the container starts.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use hull_docker::wire::config::Healthcheck;
use hull_docker::wire::host_config::DeviceRequest;
use hull_network::mac::Mac;
use hull_network::ports::{Mapping, Port};
use serde::{Deserialize, Serialize, Serializer};

use super::userns::UsernsOptions;
use crate::error::Error;
use crate::records::block_io::BlockIoOptions;
use crate::records::instance::Instance;
pub use crate::records::log_options::{LogDriver, LogOptions};
use crate::records::mount_extras::MountExtras;
use crate::records::plugged::{Plugged, TrafficLimits};
pub use crate::records::process_extras::ProcessExtras;
use crate::records::runtime::RuntimeOption;
pub use crate::records::storage::StorageOptions;

/// Rows and columns of a terminal.
pub type WindowSize = (u16, u16);

/// Options of `create` and `run`. Sizes are bytes; `None` and empty mean docker's default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CreateOptions {
    /// The image as given by the user: a name, an id or a digest.
    pub image: String,
    /// The words after the image on the command line, which replace the image's `Cmd`.
    pub command: Vec<String>,
    /// An empty list replaces the image's entrypoint and keeps its command. A list of one empty text clears both
    /// (`--entrypoint ""`).
    pub entrypoint: Option<Vec<String>>,
    pub name: Option<String>,
    /// Containers that are started before this one, if they do not run.
    pub requires: Vec<String>,
    pub hostname: Option<String>,
    pub domainname: Option<String>,
    /// `KEY=VALUE`; a bare `KEY` was already looked up by the command line.
    pub env: Vec<String>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub working_dir: Option<String>,
    /// `user[:group]`, names or numbers.
    pub user: Option<String>,
    pub group_add: Vec<String>,

    pub tty: bool,
    /// The terminal's size at the start, if the command that starts it has none.
    pub console_size: Option<WindowSize>,
    /// `-i`: the container's stdin is kept open.
    pub interactive: bool,
    /// `-d`: nobody is attached when the container starts, so stdin outlives its first client.
    pub detach: bool,
    /// `-a`, if it names other streams than those that are attached without it.
    pub attached: Option<AttachedStreams>,
    /// Whether stdin ends with its first client, if that is not what the attached streams say.
    pub stdin_once: Option<bool>,
    /// `--rm`.
    pub auto_remove: bool,
    /// `--init`: hull's own PID 1 reaps and forwards signals.
    pub init: bool,
    /// `--system`: the first process is the init of a distribution (`init/`).
    pub system: bool,

    pub mounts: Vec<MountOption>,
    pub volumes_from: Vec<String>,
    /// `--volume-driver`, which can be `local` only.
    pub volume_driver: String,
    pub read_only: bool,
    pub shm_size: Option<u64>,
    pub devices: Vec<DeviceOption>,
    pub device_cgroup_rules: Vec<String>,
    /// CDI devices by their names, and `--gpus`.
    pub device_requests: Vec<DeviceRequest>,
    /// The effects of LXD's devices that are neither mounts nor networks.
    pub plugged: Plugged,

    pub resources: ResourceOptions,
    /// The cgroup in which the container's is made, instead of the one that all share.
    pub cgroup_parent: Option<String>,
    pub ulimits: Vec<Ulimit>,
    pub oom_score_adj: Option<i32>,
    pub sysctls: BTreeMap<String, String>,

    pub network: NetworkMode,
    /// The networks of [`NetworkMode::Networks`]. The first one has the default route and the published ports.
    pub networks: Vec<NetworkOption>,
    /// `-p`.
    pub publish: Vec<Mapping>,
    /// `-P`.
    pub publish_all: bool,
    /// `--link`: other containers, and what this one calls them.
    pub links: Vec<(String, String)>,
    /// `--expose`.
    pub expose: Vec<Port>,
    /// The ports that a request of docker's API exposes without a protocol, which are shown so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bare_ports: Vec<u16>,
    pub dns: Vec<String>,
    pub dns_search: Vec<String>,
    pub dns_options: Vec<String>,
    /// `name:address`.
    pub add_hosts: Vec<String>,
    pub pid: NamespaceMode,
    pub ipc: NamespaceMode,
    /// Of an IPC namespace of its own.
    pub ipc_sharing: IpcSharing,
    pub uts: NamespaceMode,
    pub cgroupns: NamespaceMode,
    pub userns: UsernsOptions,

    /// Paths that are hidden from the container, and paths that it cannot write, instead of docker's own.
    pub masked_paths: Option<Vec<String>>,
    pub readonly_paths: Option<Vec<String>>,
    pub cap_add: Vec<String>,
    pub cap_drop: Vec<String>,
    pub privileged: bool,
    pub no_new_privileges: bool,
    pub seccomp: SeccompOption,

    /// `--storage`, and `--storage-opt size=`.
    #[serde(skip_serializing_if = "StorageOptions::is_default")]
    pub storage: StorageOptions,
    pub process_extras: ProcessExtras,
    /// `--runtime`; `None` is the one that is built in.
    pub runtime: Option<RuntimeOption>,
    pub restart: RestartPolicy,
    /// A name (`SIGTERM`, `TERM`) or a number.
    pub stop_signal: Option<String>,
    /// Seconds.
    pub stop_timeout: Option<u32>,
    /// The check as it was asked for; the record has it merged with the image's.
    pub healthcheck: Option<Healthcheck>,
    pub health_on_failure: OnFailure,
    pub log: LogOptions,
    /// The words of the command line that made it, for `generate systemd --new`. Empty for other callers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub create_command: Vec<String>,
    pub platform: Option<String>,
    /// What the caller has made the container from, for itself: it tells later what has changed. The engine does not read
    /// it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
    /// Keys, devices and profiles in LXD's words, for `create`. A record has them in a field of its own.
    #[serde(skip)]
    pub instance: Instance,
}

/// The streams to which the command that starts a container is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachedStreams {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
}

/// Only what differs from the default: a listing reads the records of all containers, and most options of most containers
/// were not given.
pub(crate) fn serialize_given<S: Serializer>(
    options: &CreateOptions,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let object = |options: &CreateOptions| match serde_json::to_value(options) {
        Ok(serde_json::Value::Object(object)) => Ok(object),
        Ok(_) => Ok(serde_json::Map::new()),
        Err(error) => Err(serde::ser::Error::custom(error)),
    };
    let default = object(&CreateOptions::default())?;
    let given = object(options)?;
    serializer.collect_map(given.into_iter().filter(|(key, value)| default.get(key) != Some(value)))
}

impl CreateOptions {
    pub fn attached_streams(&self) -> AttachedStreams {
        self.attached.unwrap_or(AttachedStreams {
            stdin: self.interactive && !self.detach,
            stdout: !self.detach,
            stderr: !self.detach,
        })
    }

    /// Whether stdin ends with its first client. A terminal's stays open all the same.
    pub fn stdin_once(&self) -> bool {
        self.stdin_once.unwrap_or_else(|| self.interactive && self.attached_streams().stdin)
    }
}

/// One `-v`, `--mount` or `--tmpfs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum MountOption {
    Bind {
        source: PathBuf,
        target: PathBuf,
        read_only: bool,
        propagation: Option<String>,
        /// Make a missing source directory, as `-v` does; `--mount` refuses it unless a request says `CreateMountpoint`.
        create_source: bool,
        /// By `--mount`, and otherwise by `-v`: `inspect` shows each in a place of its own.
        #[serde(default)]
        from_mount_flag: bool,
        #[serde(default, skip_serializing_if = "MountExtras::is_default")]
        extras: MountExtras,
    },
    Volume {
        /// `None`: an anonymous volume.
        name: Option<String>,
        target: PathBuf,
        read_only: bool,
        /// Copy what the image has at the target into an empty volume.
        copy_up: bool,
        /// By `--mount`, and otherwise by `-v`.
        #[serde(default)]
        from_mount_flag: bool,
        #[serde(default, skip_serializing_if = "MountExtras::is_default")]
        extras: MountExtras,
    },
    Tmpfs {
        target: PathBuf,
        /// mount(8) options: `size=64m`, `mode=1777`, `exec`…
        options: Vec<String>,
        /// By `--mount`, and otherwise by `--tmpfs`.
        #[serde(default)]
        from_mount_flag: bool,
    },
    /// The files of another image. What is written to them ends with the run.
    Image {
        /// As given by the user: a name, an id or a digest.
        image: String,
        target: PathBuf,
        read_only: bool,
        subpath: Option<PathBuf>,
    },
}

impl MountOption {
    pub fn target(&self) -> &std::path::Path {
        match self {
            Self::Bind { target, .. }
            | Self::Volume { target, .. }
            | Self::Tmpfs { target, .. }
            | Self::Image { target, .. } => target,
        }
    }
}

/// `--device host[:container[:rwm]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceOption {
    pub host: PathBuf,
    pub container: PathBuf,
    pub permissions: String,
}

/// Limits that become cgroup files.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResourceOptions {
    pub memory: Option<i64>,
    /// Memory and swap together; -1 is without limit.
    pub memory_swap: Option<i64>,
    pub memory_reservation: Option<i64>,
    pub memory_swappiness: Option<u64>,
    pub oom_kill_disable: bool,
    /// `--cpus` in billionths of a CPU.
    pub nano_cpus: Option<u64>,
    pub cpu_shares: Option<u64>,
    /// Microseconds.
    pub cpu_period: Option<u64>,
    /// Microseconds.
    pub cpu_quota: Option<i64>,
    /// Microseconds of real-time processes.
    pub cpu_rt_period: Option<u64>,
    /// Microseconds of real-time processes.
    pub cpu_rt_runtime: Option<u64>,
    pub cpuset_cpus: Option<String>,
    pub cpuset_mems: Option<String>,
    /// 0 and -1 are without limit.
    pub pids_limit: Option<i64>,
    #[serde(skip_serializing_if = "BlockIoOptions::is_empty")]
    pub block_io: BlockIoOptions,
    /// The limits of huge pages in bytes, by the size of a page: `2MB`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub hugepages: BTreeMap<String, u64>,
}

/// `--ulimit name=soft[:hard]`; -1 is without limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    /// Without `RLIMIT_`, lower case: `nofile`.
    pub name: String,
    pub soft: i64,
    pub hard: i64,
}

/// `--network`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkMode {
    /// The default for this user, which `create` chooses.
    #[default]
    Default,
    /// A network namespace with nothing but `lo`.
    None,
    Host,
    /// Shares another container's network namespace.
    Container(String),
    /// Networks by name, the default one among them.
    Networks,
    /// A user-mode network, for an unprivileged user: a program forwards the packets.
    #[serde(rename = "program")]
    UserMode(UserModeNetwork),
}

/// A program that connects an unprivileged user's container to the host's network without any privilege there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UserModeNetwork {
    Pasta,
    Slirp4netns,
}

impl UserModeNetwork {
    pub fn name(self) -> &'static str {
        match self {
            Self::Pasta => "pasta",
            Self::Slirp4netns => "slirp4netns",
        }
    }

    /// The name of its package in Debian and most other distributions.
    pub fn package(self) -> &'static str {
        match self {
            Self::Pasta => "passt",
            Self::Slirp4netns => "slirp4netns",
        }
    }
}

/// A network that a container is on, and what it asks to be there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkOption {
    pub network: String,
    pub ip: Option<Ipv4Addr>,
    pub ip6: Option<Ipv6Addr>,
    /// `--link-local-ip`.
    pub link_local: Vec<IpAddr>,
    pub mac: Option<Mac>,
    /// Names by which others on the network find it, beside its own.
    pub aliases: Vec<String>,
    /// The name and the settings of the link in the container ([`hull_docker::flags::endpoint`]).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub driver_opts: BTreeMap<String, String>,
    /// The default route is over the network with the highest number, and the first one of these.
    #[serde(skip_serializing_if = "is_zero")]
    pub gw_priority: i64,
    /// The LXD device that asks for the network. It may limit the traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    #[serde(skip_serializing_if = "TrafficLimits::is_default")]
    pub limits: TrafficLimits,
    /// The MTU of the device's link. Without it, the network's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl NetworkOption {
    /// The name of the link in the container, if it was asked for.
    pub(crate) fn interface(&self) -> Option<&str> {
        self.driver_opts.get(hull_docker::flags::endpoint::INTERFACE_NAME).map(String::as_str)
    }
}

/// `--pid --ipc --uts --cgroupns`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NamespaceMode {
    #[default]
    Private,
    Host,
    Container(String),
}

/// `--ipc private|shareable|none`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IpcSharing {
    #[default]
    Private,
    /// Other containers may join it.
    Shareable,
    /// Without /dev/shm.
    NoMemory,
}

/// `--security-opt seccomp=…`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SeccompOption {
    /// Docker's policy.
    #[default]
    Default,
    Unconfined,
    /// The text of a policy file, in docker's or the OCI format.
    Policy(String),
}

/// `--restart`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    #[default]
    No,
    Always,
    UnlessStopped,
    /// The maximum number of restarts; 0 means no limit.
    OnFailure(u32),
}

/// `--health-on-failure`: what happens to a container that becomes unhealthy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    #[default]
    None,
    Kill,
    Restart,
    Stop,
}

impl std::str::FromStr for OnFailure {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "none" => Ok(Self::None),
            "kill" => Ok(Self::Kill),
            "restart" => Ok(Self::Restart),
            "stop" => Ok(Self::Stop),
            _ => Err(Error::Invalid {
                what: format!("action {text:?}"),
                why: "it is none, kill, restart or stop".into(),
            }),
        }
    }
}

/// Options of `exec`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExecOptions {
    pub command: Vec<String>,
    pub env: Vec<String>,
    pub working_dir: Option<String>,
    pub user: Option<String>,
    pub tty: bool,
    pub interactive: bool,
    pub detach: bool,
    pub privileged: bool,
    /// Of the caller's terminal.
    pub size: Option<WindowSize>,
}

/// Options of `logs`.
#[derive(Debug, Clone, Default)]
pub struct LogsOptions {
    pub follow: bool,
    pub since: Option<std::time::SystemTime>,
    pub until: Option<std::time::SystemTime>,
    /// The last so many lines.
    pub tail: Option<usize>,
    pub timestamps: bool,
    /// Show the labels and variables that the log has of its container.
    pub details: bool,
}
