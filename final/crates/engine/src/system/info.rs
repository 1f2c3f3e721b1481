//! `info`: this machine and this root, in docker's keys.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use hull_docker::flags::log;
use hull_docker::version::SERVER;
use hull_docker::wire::info::{Commit, DiscoveredDevice, Firewall, Info, Plugins, Runtime};
use hull_image::Digest;
use hull_runtime::cgroups::Available;
use hull_sys::fs::read_kernel_text;

use crate::cdi::Catalog;
use crate::engine::{Engine, cgroup_layout};
use crate::error::Result;
use crate::machine::memory_total;
use crate::records::state::Status;

/// Where docker asks for credentials of its own registry.
const INDEX_SERVER: &str = "https://index.docker.io/v1/";

impl Engine {
    /// The administrator's settings for registries and the default runtime are the caller's to fill in.
    pub fn info(&self) -> Result<Info> {
        let containers = self.list()?;
        let count = |status: Status| containers.iter().filter(|container| container.status == status).count();
        let layout = cgroup_layout()?;
        let system = rustix::system::uname();
        let rootless = hull_sys::id_map::in_user_namespace();
        let mut security = vec!["name=seccomp,profile=builtin".to_owned()];
        if rootless {
            security.push("name=rootless".into());
        }
        let directories = self.cdi_directories();
        let discovered = Catalog::read(&directories);
        let device = |id: &str| DiscoveredDevice { source: "cdi".into(), id: id.to_owned() };
        let (operating_system, os_version) = operating_system();
        let info = Info {
            id: self.machine_id(),
            containers: containers.len(),
            containers_running: count(Status::Running),
            containers_paused: count(Status::Paused),
            containers_stopped: count(Status::Exited) + count(Status::Created),
            images: self.images().list()?.len(),
            driver: "overlay2".into(),
            driver_status: driver_status(self.root().data(), rootless),
            plugins: plugins(),
            ipv4_forwarding: kernel_flag("/proc/sys/net/ipv4/ip_forward"),
            open_files: std::fs::read_dir("/proc/self/fd").map_or(0, |files| files.count().saturating_sub(1)),
            goroutines: 1,
            system_time: humantime::format_rfc3339_nanos(SystemTime::now()).to_string(),
            logging_driver: "json-file".into(),
            cgroup_driver: if rootless { "none" } else { "cgroupfs" }.into(),
            cgroup_version: layout.describe().into(),
            kernel_version: system.release().to_string_lossy().into_owned(),
            operating_system,
            os_version,
            os_type: "linux".into(),
            architecture: system.machine().to_string_lossy().into_owned(),
            index_server_address: INDEX_SERVER.into(),
            ncpu: std::thread::available_parallelism().map_or(1, |count| count.get()),
            mem_total: memory_total(),
            docker_root_dir: self.root().data().display().to_string(),
            name: system.nodename().to_string_lossy().into_owned(),
            server_version: SERVER.into(),
            runtimes: self.runtime_table(),
            default_runtime: "hull".into(),
            // Containers go on without a server.
            live_restore_enabled: true,
            init_binary: "hull".into(),
            runc_commit: Commit { id: env!("CARGO_PKG_VERSION").into(), expected: None },
            security_options: security,
            firewall_backend: Some(Firewall { driver: "nftables".into() }),
            cdi_spec_dirs: directories.iter().map(|one| one.display().to_string()).collect(),
            discovered_devices: discovered.names().map(device).collect(),
            rootless: Some(rootless),
            ..Info::default()
        };
        Ok(with_limits(info, layout.available()))
    }

    /// docker's key `Runtimes`: the built-in one, and those that `--runtime` finds.
    fn runtime_table(&self) -> BTreeMap<String, Runtime> {
        let own = Runtime { path: "hull-oci".into(), runtime_args: vec![] };
        let others = self.available_runtimes().into_iter().map(|runtime| {
            let path = runtime.path.display().to_string();
            (runtime.name, Runtime { path, runtime_args: runtime.args })
        });
        std::iter::once(("hull".to_owned(), own)).chain(others).collect()
    }

    /// An id that stays the same for this root on this machine. /etc/machine-id itself is to be kept secret (machine-id(5)).
    fn machine_id(&self) -> String {
        let machine = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
        let root = self.root().data().display().to_string();
        let digest = Digest::of(format!("hull {} {root}", machine.trim()).as_bytes());
        let hex = digest.hex();
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32])
    }
}

fn with_limits(info: Info, available: Available) -> Info {
    // dockerd's texts.
    let warnings = [
        (available.memory, "WARNING: No memory limit support"),
        (available.swap || !available.memory, "WARNING: No swap limit support"),
        (available.cpu, "WARNING: No cpu cfs quota support"),
        (available.cpu, "WARNING: No cpu cfs period support"),
        (available.cpu, "WARNING: No cpu shares support"),
        (available.cpuset, "WARNING: No cpuset support"),
    ];
    let warnings = warnings.into_iter().filter(|(is_available, _)| !is_available);
    Info {
        memory_limit: available.memory,
        swap_limit: available.swap,
        oom_kill_disable: available.oom_kill_disable,
        cpu_cfs_period: available.cpu,
        cpu_cfs_quota: available.cpu,
        cpu_shares: available.cpu,
        cpu_set: available.cpuset,
        pids_limit: available.pids,
        warnings: warnings.map(|(_, text)| text.to_owned()).collect(),
        ..info
    }
}

fn plugins() -> Plugins {
    let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Plugins {
        volume: list(&["local"]),
        network: list(&["bridge", "host", "macvlan", "null", "vxlan"]),
        authorization: vec![],
        log: list(&log::Driver::NAMES),
    }
}

/// dockerd's facts about overlay2.
fn driver_status(data: &Path, rootless: bool) -> Vec<(String, String)> {
    let flag = |flag: bool| flag.to_string();
    let facts = [
        ("Backing Filesystem", hull_storage::overlay::file_system_name(data).to_owned()),
        ("Supports d_type", flag(true)),
        ("Using metacopy", flag(kernel_flag("/sys/module/overlay/parameters/metacopy"))),
        ("Native Overlay Diff", flag(true)),
        ("userxattr", flag(rootless)),
    ];
    facts.map(|(key, value)| (key.to_owned(), value)).into()
}

/// False if the file does not exist.
fn kernel_flag(path: &str) -> bool {
    read_kernel_text(path).is_ok_and(|text| ["1", "Y"].contains(&text.trim()))
}

/// The distribution's name and version.
fn operating_system() -> (String, String) {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let value = |key: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(key));
        value.map(|value| value.trim_matches('"').to_owned())
    };
    (value("PRETTY_NAME=").unwrap_or("Linux".into()), value("VERSION_ID=").unwrap_or_default())
}
