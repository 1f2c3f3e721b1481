//! `info`: this machine and this root, in docker's keys.

use std::collections::BTreeMap;

use hull_docker::wire::system::{DiscoveredDevice, Info, Runtime};

use crate::cdi::Catalog;
use crate::engine::{Engine, cgroup_layout};
use crate::error::Result;
use crate::machine::memory_total;
use crate::records::state::Status;

impl Engine {
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
        Ok(Info {
            containers: containers.len(),
            containers_running: count(Status::Running),
            containers_paused: count(Status::Paused),
            containers_stopped: count(Status::Exited) + count(Status::Created),
            images: self.images().list()?.len(),
            driver: "overlay2".into(),
            logging_driver: "json-file".into(),
            cgroup_driver: if rootless { "none" } else { "cgroupfs" }.into(),
            cgroup_version: layout.describe().into(),
            kernel_version: system.release().to_string_lossy().into_owned(),
            operating_system: operating_system(),
            os_type: "linux".into(),
            architecture: system.machine().to_string_lossy().into_owned(),
            ncpu: std::thread::available_parallelism().map_or(1, |count| count.get()),
            mem_total: memory_total(),
            docker_root_dir: self.root().data().display().to_string(),
            name: system.nodename().to_string_lossy().into_owned(),
            security_options: security,
            server_version: env!("CARGO_PKG_VERSION").into(),
            runtimes: self.runtime_table(),
            default_runtime: "hull".into(),
            cdi_spec_dirs: directories.iter().map(|one| one.display().to_string()).collect(),
            discovered_devices: discovered.names().map(device).collect(),
            rootless,
        })
    }
}

impl Engine {
    /// docker's key `Runtimes`: the built-in one, and those that `--runtime` finds.
    fn runtime_table(&self) -> BTreeMap<String, Runtime> {
        let own = Runtime { path: "hull-oci".into(), runtime_args: vec![] };
        let others = self.available_runtimes().into_iter().map(|runtime| {
            let path = runtime.path.display().to_string();
            (runtime.name, Runtime { path, runtime_args: runtime.args })
        });
        std::iter::once(("hull".to_owned(), own)).chain(others).collect()
    }
}

fn operating_system() -> String {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map_or("Linux".into(), |name| name.trim_matches('"').into())
}
