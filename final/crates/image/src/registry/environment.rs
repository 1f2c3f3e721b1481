//! What the caller's environment says about registries. This crate reads no environment variable itself: a process that
//! serves several users has one environment for each of them.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// The variables that count. A variable that is set to nothing counts as not set, so it is `None` here.
#[derive(Clone, Default)]
pub struct Environment {
    /// `HOME`: where the user's own settings, credentials and certificates are.
    pub home: Option<PathBuf>,
    /// `DOCKER_CONFIG`: the directory of docker's `config.json`; without it, `~/.docker`.
    pub docker_config: Option<PathBuf>,
    /// `REGISTRY_AUTH_FILE`: the only file with credentials.
    pub auth_file: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`, in which podman keeps `containers/auth.json`.
    pub runtime_dir: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`; without it, `~/.config`.
    pub config_home: Option<PathBuf>,
    /// `CONTAINERS_REGISTRIES_CONF`: the only file of settings.
    pub registries_conf: Option<PathBuf>,
    pub proxies: Proxies,
    /// All variables, with which credential helpers are started: `PATH` finds them, and they find their own stores by
    /// others (`DBUS_SESSION_BUS_ADDRESS`, `GNUPGHOME`, …).
    pub variables: Vec<(OsString, OsString)>,
}

/// `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`.
#[derive(Clone, Default)]
pub struct Proxies {
    pub https: Option<String>,
    pub http: Option<String>,
    pub all: Option<String>,
    /// Hosts, domains and networks that are reached without a proxy, separated by commas.
    pub none: Option<String>,
}

/// Without the values of the variables, some of which are secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("home", &self.home)
            .field("docker_config", &self.docker_config)
            .field("auth_file", &self.auth_file)
            .field("registries_conf", &self.registries_conf)
            .field("proxies", &self.proxies)
            .finish_non_exhaustive()
    }
}

/// Which variables are set, without the URLs: a proxy's may hold a password.
impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxies")
            .field("https", &self.https.is_some())
            .field("http", &self.http.is_some())
            .field("all", &self.all.is_some())
            .field("none", &self.none)
            .finish()
    }
}

impl Environment {
    /// Takes the variables that count from all those of a process.
    pub fn of(variables: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let variables: Vec<_> = variables.collect();
        let get = |name: &str| variables.iter().find(|(other, _)| other == name).map(|(_, value)| value);
        let path = |name: &str| get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        // Go's programs read both spellings, the one in capitals first.
        let proxy = |name: &str| {
            let value = get(&name.to_uppercase()).or_else(|| get(name))?;
            value.to_str().filter(|value| !value.is_empty()).map(str::to_owned)
        };
        Self {
            home: path("HOME"),
            docker_config: path("DOCKER_CONFIG"),
            auth_file: path("REGISTRY_AUTH_FILE"),
            runtime_dir: path("XDG_RUNTIME_DIR"),
            config_home: path("XDG_CONFIG_HOME"),
            registries_conf: path("CONTAINERS_REGISTRIES_CONF"),
            proxies: Proxies {
                https: proxy("https_proxy"),
                http: proxy("http_proxy"),
                all: proxy("all_proxy"),
                none: proxy("no_proxy"),
            },
            variables,
        }
    }

    /// docker's file of credentials, which is hull's too.
    pub(super) fn docker_config_file(&self) -> Option<PathBuf> {
        let directory = self.docker_config.clone().or_else(|| Some(self.home.as_ref()?.join(".docker")))?;
        Some(directory.join("config.json"))
    }
}
