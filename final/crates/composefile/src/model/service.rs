//! A service.

use std::collections::BTreeMap;

use super::object::{Decode, Print, field, object, serialize, wrong_kind};
use super::*;
use crate::path::Path;
use crate::print::{Form, Tree};
use crate::{Node, Result, Value};

object! {
    pub struct Service {
        profiles: Vec<String> = "profiles",
        annotations: Mapping = "annotations",
        attach: Option<bool> = "attach",
        build: Option<Build> = "build",
        develop: Option<Develop> = "develop",
        blkio_config: Option<BlkioConfig> = "blkio_config",
        cap_add: Vec<String> = "cap_add",
        cap_drop: Vec<String> = "cap_drop",
        cgroup_parent: String = "cgroup_parent",
        cgroup: String = "cgroup",
        cpu_count: i64 = "cpu_count",
        cpu_percent: f32 = "cpu_percent",
        cpu_period: i64 = "cpu_period",
        cpu_quota: i64 = "cpu_quota",
        cpu_rt_period: i64 = "cpu_rt_period",
        cpu_rt_runtime: i64 = "cpu_rt_runtime",
        cpus: f32 = "cpus",
        cpuset: String = "cpuset",
        cpu_shares: i64 = "cpu_shares",
        command: ShellCommand = "command",
        configs: Vec<FileReference> = "configs",
        container_name: String = "container_name",
        credential_spec: Option<CredentialSpec> = "credential_spec",
        depends_on: BTreeMap<String, Dependency> = "depends_on",
        deploy: Option<Deploy> = "deploy",
        device_cgroup_rules: Vec<String> = "device_cgroup_rules",
        devices: Vec<DeviceMapping> = "devices",
        dns: StringList = "dns",
        dns_opt: Vec<String> = "dns_opt",
        dns_search: StringList = "dns_search",
        dockerfile: String = "dockerfile",
        domainname: String = "domainname",
        entrypoint: ShellCommand = "entrypoint",
        provider: Option<Provider> = "provider",
        environment: MappingWithEquals = "environment",
        env_file: Vec<EnvFile> = "env_file",
        expose: StringList = "expose",
        extends: Option<Extends> = "extends",
        external_links: Vec<String> = "external_links",
        extra_hosts: HostsList = "extra_hosts",
        group_add: Vec<String> = "group_add",
        gpus: Vec<DeviceRequest> = "gpus",
        hostname: String = "hostname",
        healthcheck: Option<HealthCheck> = "healthcheck",
        image: String = "image",
        init: Option<bool> = "init",
        ipc: String = "ipc",
        isolation: String = "isolation",
        labels: Labels = "labels",
        label_file: Vec<String> = "label_file",
        links: Vec<String> = "links",
        logging: Option<Logging> = "logging",
        log_driver: String = "log_driver",
        log_opt: BTreeMap<String, String> = "log_opt",
        mem_limit: UnitBytes = "mem_limit",
        mem_reservation: UnitBytes = "mem_reservation",
        memswap_limit: UnitBytes = "memswap_limit",
        mem_swappiness: UnitBytes = "mem_swappiness",
        mac_address: String = "mac_address",
        models: BTreeMap<String, Option<ServiceModel>> = "models",
        net: String = "net",
        network_mode: String = "network_mode",
        networks: BTreeMap<String, Option<ServiceNetwork>> = "networks",
        oom_kill_disable: bool = "oom_kill_disable",
        oom_score_adj: i64 = "oom_score_adj",
        pid: String = "pid",
        pids_limit: i64 = "pids_limit",
        platform: String = "platform",
        ports: Vec<Port> = "ports",
        privileged: bool = "privileged",
        pull_policy: String = "pull_policy",
        read_only: bool = "read_only",
        restart: String = "restart",
        runtime: String = "runtime",
        scale: Option<i64> = "scale",
        secrets: Vec<FileReference> = "secrets",
        security_opt: Vec<String> = "security_opt",
        shm_size: UnitBytes = "shm_size",
        stdin_open: bool = "stdin_open",
        stop_grace_period: Option<Duration> = "stop_grace_period",
        stop_signal: String = "stop_signal",
        storage_opt: BTreeMap<String, String> = "storage_opt",
        sysctls: Mapping = "sysctls",
        tmpfs: StringList = "tmpfs",
        tty: bool = "tty",
        ulimits: BTreeMap<String, Ulimit> = "ulimits",
        use_api_socket: bool = "use_api_socket",
        user: String = "user",
        userns_mode: String = "userns_mode",
        uts: String = "uts",
        volume_driver: String = "volume_driver",
        volumes: Vec<ServiceVolume> = "volumes",
        volumes_from: Vec<String> = "volumes_from",
        working_dir: String = "working_dir",
        post_start: Vec<Hook> = "post_start",
        pre_stop: Vec<Hook> = "pre_stop",
    }
    plus {
        /// The key of the service in the project.
        name: String,
        /// Labels that Compose adds.
        custom_labels: Labels,
    }
}

impl Service {
    /// How many containers the service has.
    pub fn scale(&self) -> i64 {
        self.scale.or_else(|| self.deploy.as_ref().and_then(|deploy| deploy.replicas)).unwrap_or(1)
    }

    pub fn set_scale(&mut self, scale: i64) {
        self.scale = Some(scale);
        if let Some(deploy) = &mut self.deploy {
            deploy.replicas = Some(scale);
        }
    }

    /// The service's networks, the one with the highest priority first; equal ones by name.
    pub fn networks_by_priority(&self) -> Vec<&str> {
        let priority =
            |name: &str| self.networks.get(name).and_then(Option::as_ref).map_or(0, |own| own.priority);
        let mut names: Vec<_> = self.networks.keys().map(String::as_str).collect();
        names.sort_by_key(|name| std::cmp::Reverse(priority(name)));
        names
    }

    pub fn pull_policy(&self) -> Option<PullPolicy> {
        const DAY: Duration = Duration(86_400_000_000_000);
        Some(match self.pull_policy.as_str() {
            "always" => PullPolicy::Always,
            "never" => PullPolicy::Never,
            "build" => PullPolicy::Build,
            "daily" => PullPolicy::Refresh(DAY),
            "weekly" => PullPolicy::Refresh(Duration(7 * DAY.0)),
            other => match other.strip_prefix("every_") {
                Some(every) => PullPolicy::Refresh(Duration(crate::duration::parse(every)?)),
                None => PullPolicy::Missing,
            },
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullPolicy {
    Always,
    Never,
    Missing,
    Build,
    /// Pull if the image was pulled longer ago.
    Refresh(Duration),
}

object! {
    pub struct Logging {
        driver: String = "driver",
        options: Options = "options",
    }
}

/// A limit of `setrlimit(2)`. `single` is for both where it is not zero.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ulimit {
    pub single: i64,
    pub soft: i64,
    pub hard: i64,
}

impl Decode for Ulimit {
    fn decode(node: &Node, path: &Path<'_>) -> Result<Self> {
        match &node.value {
            Value::Integer(single) => Ok(Self { single: *single, ..Self::default() }),
            Value::Mapping(_) => {
                Ok(Self { single: 0, soft: field(node, "soft", path)?, hard: field(node, "hard", path)? })
            }
            _ => Err(wrong_kind(node, path, "a number or a mapping")),
        }
    }
}

impl Print for Ulimit {
    fn tree(&self, form: Form) -> Tree {
        if self.single != 0 {
            return Tree::Integer(self.single);
        }
        let fields = [("soft", self.soft), ("hard", self.hard)].into_iter();
        let shown = fields.filter(|(_, value)| form == Form::Yaml || *value != 0);
        Tree::Mapping(shown.map(|(key, value)| (key.to_owned(), Tree::Integer(value))).collect())
    }

    fn is_empty(&self, _: Form) -> bool {
        false
    }
}

serialize!(Ulimit);
