//! `info` and `version`.

use anyhow::Result;
use hull_docker::size;
use hull_docker::wire::system::{ClientVersion, Info, Product, ServerVersion, Version};
use hull_engine::Engine;

use super::{daemon, podman};
use crate::cli::system::Format;
use crate::persona::Persona;
use crate::ui::output;

pub fn info(engine: &Engine, args: &Format) -> Result<u8> {
    let mut info = engine.info()?;
    if let Some(name) = daemon::read().ok().and_then(|daemon| daemon.default_runtime()) {
        name.clone_into(&mut info.default_runtime);
    }
    if Persona::is_podman() {
        let run_root = engine.root().run().display().to_string();
        podman::system::info(&info, &run_root, args.format.as_deref())?;
        return Ok(0);
    }
    output::object(&info, args.format.as_deref(), || shown(&info))?;
    Ok(0)
}

fn shown(info: &Info) -> String {
    format!(
        "Containers: {}\n Running: {}\n Paused: {}\n Stopped: {}\nImages: {}\nServer Version: {}\n\
         Storage Driver: {}\nLogging Driver: {}\nCgroup Driver: {}\nCgroup Version: {}\nRuntimes: {}\n\
         Default Runtime: {}\n\
         Security Options: {}\nRootless: {}\nKernel Version: {}\nOperating System: {}\nOSType: {}\n\
         Architecture: {}\nCPUs: {}\nTotal Memory: {}\nName: {}\nRoot Dir: {}\n",
        info.containers,
        info.containers_running,
        info.containers_paused,
        info.containers_stopped,
        info.images,
        info.server_version,
        info.driver,
        info.logging_driver,
        info.cgroup_driver,
        info.cgroup_version,
        info.runtimes.keys().map(String::as_str).collect::<Vec<_>>().join(" "),
        info.default_runtime,
        info.security_options.join(", "),
        info.rootless,
        info.kernel_version,
        info.operating_system,
        info.os_type,
        info.architecture,
        info.ncpu,
        size::human(info.mem_total),
        info.name,
        info.docker_root_dir,
    )
}

/// The version of docker's API that the field names are from.
const API_VERSION: &str = "1.47";

/// Without a daemon, client and server are one program. Both are shown, because scripts ask for either.
pub fn version(args: &Format) -> Result<u8> {
    if Persona::is_podman() {
        podman::system::version(args.format.as_deref())?;
        return Ok(0);
    }
    let version = Persona::own().version();
    let arch = hull_image::platform::Platform::host().architecture;
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    let platform = || Product { name: "hull".into() };
    // Fields that only a Go program has are empty.
    let value = Version {
        client: ClientVersion {
            platform: platform(),
            version: version.into(),
            api_version: API_VERSION.into(),
            default_api_version: API_VERSION.into(),
            os: "linux".into(),
            arch: arch.clone(),
            context: "default".into(),
            ..ClientVersion::default()
        },
        server: ServerVersion {
            platform: platform(),
            version: version.into(),
            api_version: API_VERSION.into(),
            min_api_version: "1.24".into(),
            os: "linux".into(),
            arch: arch.clone(),
            kernel_version: kernel,
            ..ServerVersion::default()
        },
    };
    output::object(&value, args.format.as_deref(), || {
        format!("hull\n Version:    {version}\n OS/Arch:    linux/{arch}\n")
    })?;
    Ok(0)
}
