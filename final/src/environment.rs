//! What this process's environment says. The crates below read no variables: these are their parameters.
//!
//! clap reads `HULL_ROOT` and the like where the flag is defined (`cli/mod.rs`).

use std::path::PathBuf;

use hull_engine::SearchPath;
use hull_image::registry;
use hull_storage::paths;

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
