//! `info` and `version`.

use anyhow::Result;
use hull_docker::size;
use hull_docker::wire::info::Info;
use hull_docker::wire::system::{ClientVersion, Version};
use hull_engine::{Engine, server_version};

use super::{daemon, podman};
use crate::cli::system::Format;
use crate::persona::Persona;
use crate::ui::output;

pub fn info(engine: &Engine, args: &Format) -> Result<u8> {
    let mut info = engine.info()?;
    complete(&mut info);
    if Persona::is_podman() {
        let run_root = engine.root().run().display().to_string();
        podman::system::info(&info, &run_root, args.format.as_deref())?;
        return Ok(0);
    }
    output::object(&info, args.format.as_deref(), || shown(&info))?;
    Ok(0)
}

/// Fills in the administrator's settings. The command that needs a damaged file says what is wrong with it.
pub fn complete(info: &mut Info) {
    if let Ok(daemon) = daemon::read() {
        if let Some(name) = daemon.default_runtime() {
            name.clone_into(&mut info.default_runtime);
        }
        info.registry_config = daemon.registry_config();
    }
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
        info.rootless.unwrap_or_default(),
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

/// Without a daemon, client and server are one program. Both are shown, because scripts ask for either.
pub fn version(args: &Format) -> Result<u8> {
    if Persona::is_podman() {
        podman::system::version(args.format.as_deref())?;
        return Ok(0);
    }
    let version = Persona::own().version();
    let server = server_version();
    // Fields that only a Go program has are empty.
    let client = ClientVersion {
        platform: server.platform.clone(),
        version: version.into(),
        api_version: server.api_version.clone(),
        default_api_version: server.api_version.clone(),
        os: server.os.clone(),
        arch: server.arch.clone(),
        context: "default".into(),
        ..ClientVersion::default()
    };
    let arch = server.arch.clone();
    let value = Version { client, server };
    output::object(&value, args.format.as_deref(), || {
        format!("hull\n Version:    {version}\n OS/Arch:    linux/{arch}\n")
    })?;
    Ok(0)
}
