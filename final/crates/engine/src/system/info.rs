//! `info`: this machine and this root, in docker's keys.

use serde_json::{Value, json};

use crate::engine::{Engine, cgroup_layout};
use crate::error::Result;
use crate::records::state::Status;

impl Engine {
    pub fn info(&self) -> Result<Value> {
        let containers = self.list()?;
        let count = |status: Status| containers.iter().filter(|container| container.status == status).count();
        let layout = cgroup_layout()?;
        let system = rustix::system::uname();
        let rootless = hull_sys::process::in_user_namespace();
        let mut security = vec!["name=seccomp,profile=builtin".to_owned()];
        if rootless {
            security.push("name=rootless".into());
        }
        Ok(json!({
            "Containers": containers.len(),
            "ContainersRunning": count(Status::Running),
            "ContainersPaused": count(Status::Paused),
            "ContainersStopped": count(Status::Exited) + count(Status::Created),
            "Images": self.images().list()?.len(),
            "Driver": "overlay2",
            "LoggingDriver": "json-file",
            "CgroupDriver": if rootless { "none" } else { "cgroupfs" },
            "CgroupVersion": layout.describe(),
            "KernelVersion": system.release().to_string_lossy(),
            "OperatingSystem": operating_system(),
            "OSType": "linux",
            "Architecture": system.machine().to_string_lossy(),
            "NCPU": std::thread::available_parallelism().map_or(1, |count| count.get()),
            "MemTotal": memory_total(),
            "DockerRootDir": self.root().data(),
            "Name": system.nodename().to_string_lossy(),
            "SecurityOptions": security,
            "ServerVersion": env!("CARGO_PKG_VERSION"),
            "DefaultRuntime": "hull",
            "Rootless": rootless,
        }))
    }
}

fn operating_system() -> String {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map_or("Linux".into(), |name| name.trim_matches('"').into())
}

/// Bytes.
fn memory_total() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
