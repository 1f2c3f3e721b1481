//! What this process's environment says. The crates below read no variables: these are their parameters.
//!
//! clap reads `HULL_ROOT` and the like where the flag is defined (`cli/mod.rs`).

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context;
use hull_engine::SearchPath;
use hull_image::registry;
use hull_storage::paths;
use serde_json::{Value, json};

/// A variable that is set to nothing counts as not set.
fn path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

pub fn home() -> Option<PathBuf> {
    path("HOME")
}

/// Where a user's settings are: $XDG_CONFIG_HOME, or ~/.config.
pub fn config_home() -> Option<PathBuf> {
    path("XDG_CONFIG_HOME").or_else(|| Some(home()?.join(".config")))
}

/// Where programs are found: newuidmap, slirp4netns, pasta and ps.
pub fn search_path() -> SearchPath {
    std::env::var_os("PATH").unwrap_or_default().into()
}

/// The paths at which this program's file may be. The kernel knows no path of the file if the program runs from a
/// protected copy of it; then its own name, which a shell looks up in PATH, leads to it.
pub fn own_files() -> Vec<PathBuf> {
    let name = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    let by_name: Vec<PathBuf> = match name.components().count() {
        0 => vec![],
        1 => std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
            .map(|directory| directory.join(&name))
            .collect(),
        _ => vec![name],
    };
    let by_name = by_name.iter().filter_map(|path| path.canonicalize().ok());
    std::env::current_exe().ok().into_iter().chain(by_name).collect()
}

/// The kind of the user's terminal.
pub fn terminal() -> Option<String> {
    std::env::var_os("TERM").and_then(|kind| kind.into_string().ok()).filter(|kind| !kind.is_empty())
}

/// Whether a program that opens a window can do so.
pub fn has_display() -> bool {
    ["WAYLAND_DISPLAY", "DISPLAY"].into_iter().any(|name| path(name).is_some())
}

/// The variables from which an unprivileged user's directories are chosen.
pub fn paths() -> paths::Environment {
    paths::Environment {
        home: home(),
        data_home: path("XDG_DATA_HOME"),
        runtime_dir: path("XDG_RUNTIME_DIR"),
    }
}

/// Credentials, settings and proxies of registries.
pub fn registry() -> registry::Environment {
    registry::Environment::of(std::env::vars_os())
}

/// docker's `config.json`; an empty object if there is none.
fn docker_config() -> anyhow::Result<Value> {
    let directory = path("DOCKER_CONFIG").or_else(|| Some(home()?.join(".docker")));
    let Some(file) = directory.map(|directory| directory.join("config.json")) else { return Ok(json!({})) };
    let text = match std::fs::read_to_string(&file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(json!({})),
        text => text.with_context(|| format!("cannot read {}", file.display()))?,
    };
    serde_json::from_str(&text).with_context(|| format!("{} is not valid", file.display()))
}

/// The credentials of docker's `config.json`, alone: what a container gets that may use the engine as the caller does.
pub fn docker_credentials() -> anyhow::Result<String> {
    Ok(json!({"auths": docker_config()?["auths"]}).to_string())
}

/// The proxies of docker's `config.json`, as its client passes them to each container that it makes.
pub fn docker_proxies() -> anyhow::Result<BTreeMap<String, String>> {
    let names = [
        ("httpProxy", "HTTP_PROXY"),
        ("httpsProxy", "HTTPS_PROXY"),
        ("noProxy", "NO_PROXY"),
        ("ftpProxy", "FTP_PROXY"),
        ("allProxy", "ALL_PROXY"),
    ];
    let config = docker_config()?;
    let given = names.into_iter().filter_map(|(key, name)| {
        let value = config["proxies"]["default"][key].as_str().filter(|value| !value.is_empty())?;
        Some([(name.to_owned(), value.to_owned()), (name.to_lowercase(), value.to_owned())])
    });
    Ok(given.flatten().collect())
}

/// The proxies that a build passes to RUN, by the names of their variables. docker reads both spellings.
pub fn proxies() -> BTreeMap<String, String> {
    let names = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];
    let names = names.into_iter().flat_map(|name| [name.to_owned(), name.to_lowercase()]);
    names.filter_map(|name| Some((name.clone(), variable(&name)?))).collect()
}

/// The sockets that systemd has passed to this process, and their names (sd_listen_fds(3)).
pub fn listen_fds() -> Vec<(i32, String)> {
    const FIRST: i32 = 3;
    let number = |name| variable(name).and_then(|text| text.parse::<i32>().ok());
    if number("LISTEN_PID") != Some(std::process::id() as i32) {
        return vec![];
    }
    let count = number("LISTEN_FDS").unwrap_or(0).clamp(0, 1024);
    let names = variable("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':').filter(|name| !name.is_empty());
    (FIRST..FIRST + count).map(|number| (number, names.next().unwrap_or("unknown").to_owned())).collect()
}

/// The directory of files that are needed only while the command runs: TMPDIR.
pub fn temporary() -> PathBuf {
    std::env::temp_dir()
}

/// The value that `-e NAME` passes into a container.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// All variables, as `--env-host` passes them. What is not UTF-8 is left out.
pub fn all() -> Vec<String> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some(format!("{}={}", name.to_str()?, value.to_str()?))
    };
    std::env::vars_os().filter_map(text).collect()
}
