//! `info` and `version`. JSON is YAML, too, so that it serves readers of podman's usual output of `info`.

use anyhow::Result;
use hull_docker::wire::info::Info;
use serde_json::{Value, json};

use crate::persona::Persona;
use crate::ui::output;

pub fn info(info: &Info, run_root: &str, format: Option<&str>) -> Result<()> {
    let value = json!({
        "host": {
            "arch": hull_image::platform::Platform::host().architecture,
            "cgroupManager": info.cgroup_driver,
            "cgroupVersion": format!("v{}", info.cgroup_version),
            "cpus": info.ncpu,
            "distribution": {"distribution": info.operating_system},
            "hostname": info.name,
            "kernel": info.kernel_version,
            "logDriver": info.logging_driver,
            "memTotal": info.mem_total,
            "networkBackend": "hull",
            "ociRuntime": {"name": info.default_runtime},
            "os": info.os_type,
            "security": {
                "rootless": info.rootless,
                "seccompEnabled": info.security_options.iter().any(|option| option.contains("seccomp")),
            },
            "serviceIsRemote": false,
        },
        "store": {
            "containerStore": {
                "number": info.containers,
                "paused": info.containers_paused,
                "running": info.containers_running,
                "stopped": info.containers_stopped,
            },
            // docker's name of the driver has a number.
            "graphDriverName": info.driver.trim_end_matches('2'),
            "graphRoot": info.docker_root_dir,
            "imageStore": {"number": info.images},
            "runRoot": run_root,
            "volumePath": format!("{}/volumes", info.docker_root_dir),
        },
        "registries": {},
        "version": version_of(Persona::Podman.version()),
    });
    match format {
        None | Some("" | "json") => output::pretty(&value),
        Some(_) => output::object(&value, format, String::new),
    }
}

pub fn version(format: Option<&str>) -> Result<()> {
    let client = version_of(Persona::Podman.version());
    output::object(&json!({ "Client": client }), format, || {
        let text = |key: &str| client[key].as_str().unwrap_or_default().to_owned();
        format!(
            "Client:       hull {}\nVersion:      {}\nAPI Version:  {}\nOS/Arch:      {}\n",
            Persona::Hull.version(),
            text("Version"),
            text("APIVersion"),
            text("OsArch")
        )
    })
}

fn version_of(version: &str) -> Value {
    let arch = hull_image::platform::Platform::host().architecture;
    json!({
        "APIVersion": version,
        "Version": version,
        "GoVersion": "",
        "GitCommit": "",
        "BuiltTime": "",
        "Built": 0,
        "OsArch": format!("linux/{arch}"),
        "Os": "linux",
    })
}
