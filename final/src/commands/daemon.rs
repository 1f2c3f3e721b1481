//! docker's `daemon.json`: an administrator's settings for all containers. hull has no daemon, so each command that
//! needs the file reads it. Flags and hull's environment variables override it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow};
use hull_docker::flags::log;
use hull_docker::size;
use hull_docker::wire::container::CreateRequest;
use hull_docker::wire::host_config::{LogConfig, Ulimit};
use hull_docker::wire::info::{RegistryConfig, RegistryIndex};
use hull_engine::{ConfiguredRuntime, Engine, InvalidSetting, NetworkDefaults, Runtimes};
use ipnet::IpNet;
use serde::Deserialize;
use serde_json::Value;

use crate::environment;
use crate::ui::errors;

/// The keys that hull supports. All others are in `ignored`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Daemon {
    pub registry_mirrors: Vec<String>,
    pub insecure_registries: Vec<String>,
    pub cgroup_parent: Option<String>,
    log_driver: Option<String>,
    log_opts: BTreeMap<String, String>,
    dns: Vec<IpAddr>,
    dns_opts: Vec<String>,
    dns_search: Vec<String>,
    default_ulimits: BTreeMap<String, DefaultUlimit>,
    default_shm_size: Option<Size>,
    init: bool,
    no_new_privileges: bool,
    seccomp_profile: Option<String>,
    bip: Option<String>,
    fixed_cidr: Option<String>,
    default_address_pools: Vec<AddressPool>,
    icc: Option<bool>,
    ip: Option<IpAddr>,
    ip_masq: Option<bool>,
    mtu: Option<u32>,
    runtimes: BTreeMap<String, Runtime>,
    default_runtime: Option<String>,
    cdi_spec_dirs: Vec<PathBuf>,
    #[serde(flatten)]
    ignored: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DefaultUlimit {
    hard: i64,
    soft: i64,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Size {
    Bytes(u64),
    Text(String),
}

/// A runtime by its path. One that is named by its shim (`runtimeType`) has none.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Runtime {
    path: PathBuf,
    runtime_args: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct AddressPool {
    base: String,
    size: u8,
}

/// docker's own registry.
const OFFICIAL: &str = "docker.io";

/// Keys that concern only a daemon, or request what hull does anyway. They are ignored without a warning.
const NOTHING_TO_DO: [&str; 18] = [
    "api-cors-header",
    "containerd",
    "debug",
    "experimental",
    "features",
    "group",
    "hosts",
    "live-restore",
    "log-format",
    "log-level",
    "max-concurrent-downloads",
    "max-concurrent-uploads",
    "max-download-attempts",
    "metrics-addr",
    "pidfile",
    "raw-logs",
    "shutdown-timeout",
    "userland-proxy",
];

/// The file, read once; an error says what is wrong with it.
pub fn read() -> Result<&'static Daemon> {
    static READ: OnceLock<Result<Daemon>> = OnceLock::new();
    let read = READ.get_or_init(|| {
        let path = path();
        let bytes = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Default::default()),
            bytes => bytes.with_context(|| format!("cannot read {}", path.display()))?,
        };
        serde_json::from_slice(&bytes)
            .with_context(|| format!("{} is not a valid daemon.json", path.display()))
    });
    read.as_ref().map_err(|error| anyhow!("{error:#}"))
}

fn path() -> PathBuf {
    match environment::home().filter(|_| !rustix::process::geteuid().is_root()) {
        Some(home) => home.join(".config/docker/daemon.json"),
        None => "/etc/docker/daemon.json".into(),
    }
}

/// Warns once for each content of the file which keys are ignored. The run root remembers the last content.
pub fn say_ignored(run: &Path) {
    let Ok(daemon) = read() else { return };
    let ignored = daemon.ignored_keys();
    if ignored.is_empty() {
        return;
    }
    let Ok(bytes) = std::fs::read(path()) else { return };
    let (said, digest) = (run.join("daemon.json.said"), hull_image::Digest::of(&bytes).to_string());
    if std::fs::read_to_string(&said).is_ok_and(|said| said == digest) {
        return;
    }
    let keys = ignored.join(", ");
    errors::warn(
        &format!("{} has keys that hull does not support: {keys}", path().display()),
        "they are ignored, and this warning is printed once; hull run --help shows the options of a container",
    );
    // If this cannot be written, the next command warns again.
    let _ = hull_storage::file::write_atomic(&said, digest.as_bytes(), 0o600);
}

fn is_ignored(entry: &(&String, &Value)) -> bool {
    let (key, value) = *entry;
    let as_hull_does = match key.as_str() {
        "iptables" | "ip-forward" | "ip6tables" => *value == true,
        "ipv6" | "selinux-enabled" | "tls" | "tlsverify" => *value == false,
        "storage-driver" => *value == "overlay2",
        "exec-opts" => *value == serde_json::json!(["native.cgroupdriver=cgroupfs"]),
        key => NOTHING_TO_DO.contains(&key),
    };
    !as_hull_does
}

impl Daemon {
    /// The ignored keys, by their names in the file.
    fn ignored_keys(&self) -> Vec<String> {
        let keys = self.ignored.iter().filter(is_ignored).map(|(key, _)| key.clone());
        // The one option that costs nothing but space to leave out. As a flag it is refused.
        let compress = self.log_opts.contains_key("compress").then(|| "log-opts.compress".to_owned());
        keys.chain(compress).collect()
    }

    /// Fills in what a request leaves open. Settings for networks are only checked here: the engine uses them when the
    /// container starts, and the user is to learn of a mistake before that.
    pub fn apply(&self, request: &mut CreateRequest) -> Result<()> {
        self.network()?;
        let host = &mut request.host_config;
        self.apply_log(&mut host.log_config)?;
        let texts = self.dns.iter().map(ToString::to_string).collect::<Vec<_>>();
        for (given, default) in [
            (&mut host.dns, &texts),
            (&mut host.dns_search, &self.dns_search),
            (&mut host.dns_options, &self.dns_opts),
        ] {
            if given.is_empty() {
                given.clone_from(default);
            }
        }
        for (name, DefaultUlimit { hard, soft }) in &self.default_ulimits {
            if !host.ulimits.iter().any(|given| given.name == *name) {
                host.ulimits.push(Ulimit { name: name.clone(), soft: *soft, hard: *hard });
            }
        }
        if let (0, Some(size)) = (host.shm_size, &self.default_shm_size) {
            let bytes = match size {
                Size::Bytes(bytes) => *bytes,
                Size::Text(text) => {
                    size::parse(text).map_err(|why| self.invalid("default-shm-size", &why))?
                }
            };
            host.shm_size = i64::try_from(bytes).unwrap_or(i64::MAX);
        }
        host.init = host.init.or(self.init.then_some(true));
        if let (true, Some(name)) = (host.runtime.is_empty(), self.default_runtime()) {
            host.runtime = name.to_owned();
        }
        self.apply_security(&mut host.security_opt)
    }

    /// `None` is the built-in one. docker's own default, which many files name, is no request for another one.
    pub fn default_runtime(&self) -> Option<&str> {
        self.default_runtime.as_deref().filter(|name| !["", "runc", "hull"].contains(name))
    }

    /// docker's form of the settings for registries.
    pub fn registry_config(&self) -> RegistryConfig {
        let is_network = |text: &&String| text.parse::<IpNet>().is_ok();
        let networks = self.insecure_registries.iter().filter(is_network).cloned();
        let index = |name: &str, mirrors: &[String], secure| {
            let official = name == OFFICIAL;
            let index = RegistryIndex { name: name.into(), mirrors: mirrors.into(), secure, official };
            (name.to_owned(), index)
        };
        let hosts = self.insecure_registries.iter().filter(|text| !is_network(text));
        let official = index(OFFICIAL, &self.registry_mirrors, true);
        RegistryConfig {
            // As dockerd has it, and as hull's client of registries has it.
            insecure_networks: ["::1/128", "127.0.0.0/8"]
                .into_iter()
                .map(str::to_owned)
                .chain(networks)
                .collect(),
            index_configs: hosts.map(|host| index(host, &[], false)).chain([official]).collect(),
            mirrors: self.registry_mirrors.clone(),
            ..RegistryConfig::default()
        }
    }

    fn runtimes(&self) -> Runtimes {
        let named = self.runtimes.iter().filter(|(_, runtime)| !runtime.path.as_os_str().is_empty());
        let runtime = |(name, runtime): (&String, &Runtime)| {
            let args = runtime.runtime_args.clone();
            (name.clone(), ConfiguredRuntime { path: runtime.path.clone(), args })
        };
        named.map(runtime).collect()
    }

    fn apply_security(&self, given: &mut Vec<String>) -> Result<()> {
        let says = |given: &[String], key: &str| given.iter().any(|option| option.starts_with(key));
        if self.no_new_privileges && !says(given, "no-new-privileges") {
            given.push("no-new-privileges".into());
        }
        if let Some(profile) = self.seccomp_profile.as_deref().filter(|_| !says(given, "seccomp")) {
            given.push(match profile {
                "unconfined" => "seccomp=unconfined".into(),
                "" | "builtin" => "seccomp=builtin".into(),
                path => {
                    let policy = std::fs::read_to_string(path)
                        .with_context(|| format!("cannot read the seccomp profile {path}"))?;
                    format!("seccomp={policy}")
                }
            });
        }
        Ok(())
    }

    /// docker's rule: the file's log options apply only to the file's log driver.
    fn apply_log(&self, given: &mut LogConfig) -> Result<()> {
        let own = self.log_driver.as_deref().unwrap_or("json-file");
        if given.kind.is_empty() || given.kind == own {
            own.clone_into(&mut given.kind);
            for (key, value) in self.log_opts.iter().filter(|(key, _)| *key != "compress") {
                given.config.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
        // This error names the flag; the engine's would name the request's key.
        let checked = log::parse(&log::with_defaults(given.clone()));
        checked.map(drop).map_err(|why| match self.log_driver.is_some() || !self.log_opts.is_empty() {
            true => anyhow!("{why} ({} has defaults; --log-driver chooses another)", path().display()),
            false => anyhow!(why),
        })
    }

    fn network(&self) -> Result<NetworkDefaults, InvalidSetting> {
        let around = |key: &str, text: &String| -> Result<(IpAddr, u8), InvalidSetting> {
            let parsed =
                text.split_once('/').and_then(|(ip, prefix)| Some((ip.parse().ok()?, prefix.parse().ok()?)));
            parsed.ok_or_else(|| self.invalid(key, &format!("{text:?}: expected ADDRESS/PREFIX")))
        };
        let pool = |pool: &AddressPool| -> Result<((IpAddr, u8), u8), InvalidSetting> {
            Ok((around("default-address-pools", &pool.base)?, pool.size))
        };
        Ok(NetworkDefaults {
            gateway: self
                .bip
                .as_ref()
                .filter(|bip| !bip.is_empty())
                .map(|text| around("bip", text))
                .transpose()?,
            range: self.fixed_cidr.as_ref().map(|text| around("fixed-cidr", text)).transpose()?,
            mtu: self.mtu.filter(|mtu| *mtu > 0),
            inter_container: self.icc,
            masquerade: self.ip_masq,
            host_ip: self.ip.filter(|ip| !ip.is_unspecified()),
            pools: self.default_address_pools.iter().map(pool).collect::<Result<_, _>>()?,
        })
    }

    fn invalid(&self, key: &str, why: &str) -> InvalidSetting {
        InvalidSetting { what: format!("{key} in {}", path().display()), why: why.to_owned() }
    }
}

/// Applies the file to the engine. A damaged file is an error only when a container is made or a registry is used. An
/// invalid setting for networks is one only when a container or a network is made. So existing containers can be stopped
/// and removed.
pub fn prepare(engine: Engine) -> Engine {
    say_ignored(engine.root().run());
    match read() {
        Ok(daemon) => engine
            .with_network_defaults(daemon.network())
            .with_runtimes(daemon.runtimes())
            .with_cdi_directories(daemon.cdi_spec_dirs.clone()),
        Err(_) => engine,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hull_has_is_known_and_the_rest_is_listed() {
        let text = r#"{ "log-opts": { "max-size": "10m", "compress": "true" }, "mtu": 1400, "live-restore": true, "iptables": true,
                        "storage-driver": "overlay2", "data-root": "/srv", "bip": "10.9.0.1/24",
                        "default-ulimits": { "nofile": { "Name": "nofile", "Hard": 9, "Soft": 8 } } }"#;
        let daemon: Daemon = serde_json::from_str(text).unwrap();
        assert_eq!(daemon.ignored_keys(), ["data-root", "log-opts.compress"]);
        let network = daemon.network().unwrap();
        assert_eq!((network.gateway, network.mtu), (Some(("10.9.0.1".parse().unwrap(), 24)), Some(1400)));
        assert!(serde_json::from_str::<Daemon>(r#"{ "bip": 5 }"#).is_err());
        let daemon: Daemon = serde_json::from_str(r#"{ "bip": "10.9.0.1" }"#).unwrap();
        assert!(daemon.network().unwrap_err().to_string().contains("expected ADDRESS/PREFIX"));
    }
}
