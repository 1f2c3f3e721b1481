//! `info` and `version`.

use anyhow::Result;
use hull_engine::Engine;
use serde_json::{Value, json};

use crate::cli::system::Format;
use crate::ui::{human, output};

pub fn info(engine: &Engine, args: &Format) -> Result<u8> {
    let info = engine.info()?;
    output::object(&info, args.format.as_deref(), || shown(&info))?;
    Ok(0)
}

fn shown(info: &Value) -> String {
    let plain = |key: &str| match &info[key] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let security: Vec<&str> =
        info["SecurityOptions"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let memory = human::size(info["MemTotal"].as_u64().unwrap_or(0));
    format!(
        "Containers: {}\n Running: {}\n Paused: {}\n Stopped: {}\nImages: {}\nServer Version: {}\n\
         Storage Driver: {}\nLogging Driver: {}\nCgroup Driver: {}\nCgroup Version: {}\nDefault Runtime: {}\n\
         Security Options: {}\nRootless: {}\nKernel Version: {}\nOperating System: {}\nOSType: {}\n\
         Architecture: {}\nCPUs: {}\nTotal Memory: {memory}\nName: {}\nRoot Dir: {}\n",
        plain("Containers"),
        plain("ContainersRunning"),
        plain("ContainersPaused"),
        plain("ContainersStopped"),
        plain("Images"),
        plain("ServerVersion"),
        plain("Driver"),
        plain("LoggingDriver"),
        plain("CgroupDriver"),
        plain("CgroupVersion"),
        plain("DefaultRuntime"),
        security.join(", "),
        plain("Rootless"),
        plain("KernelVersion"),
        plain("OperatingSystem"),
        plain("OSType"),
        plain("Architecture"),
        plain("NCPU"),
        plain("Name"),
        plain("DockerRootDir"),
    )
}

/// Without a daemon client and server are one program; scripts that ask for either get their answer.
pub fn version(args: &Format) -> Result<u8> {
    let version = env!("CARGO_PKG_VERSION");
    let arch = hull_image::platform::Platform::host().architecture;
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    // docker's fields. Those that only a Go program has are empty.
    let value = json!({
        "Client": {
            "Platform": { "Name": "hull" },
            "Version": version,
            "ApiVersion": "1.47",
            "DefaultAPIVersion": "1.47",
            "GitCommit": "",
            "GoVersion": "",
            "Os": "linux",
            "Arch": arch,
            "BuildTime": "",
            "Context": "default",
        },
        "Server": {
            "Platform": { "Name": "hull" },
            "Components": [],
            "Version": version,
            "ApiVersion": "1.47",
            "MinAPIVersion": "1.24",
            "GitCommit": "",
            "GoVersion": "",
            "Os": "linux",
            "Arch": arch,
            "KernelVersion": kernel,
            "Experimental": false,
            "BuildTime": "",
        },
    });
    output::object(&value, args.format.as_deref(), || {
        format!("hull\n Version:    {version}\n OS/Arch:    linux/{arch}\n")
    })?;
    Ok(0)
}
