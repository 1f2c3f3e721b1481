//! What an archive asks of the machine that imports it.
//!
//! An archive may come from anywhere, and its record can ask for anything of the machine: directories, devices,
//! namespaces. Only an import with `trusted` allows that. For options this file lists the harmless ones; every other
//! option must have the value of a new container. So an option that is added later is refused until somebody adds it
//! here. Keys are handled the other way round: [`KEYS`] lists those that are refused.

use hull_lxd::Device;
use hull_lxd::expand::Settings;
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::init;
use crate::instance::{DEFAULT_PROFILE, ProfilesLock};
use crate::records::instance::Instance;
use crate::records::options::{CreateOptions, MountOption, NetworkMode};
use crate::records::record::{MountKind, MountRecord, Record};
use crate::records::userns::UsernsOptions;

/// Options that concern the container alone, limit it, or are text for its user.
const HARMLESS: [&str; 47] = [
    "image",
    "command",
    "entrypoint",
    "name",
    "hostname",
    "domainname",
    "env",
    "labels",
    "annotations",
    "working_dir",
    "user",
    "group_add",
    "tty",
    "console_size",
    "interactive",
    "detach",
    "attached",
    "stdin_once",
    "auto_remove",
    "init",
    "system",
    "volume_driver",
    "read_only",
    "shm_size",
    "resources",
    "ulimits",
    "networks",
    "expose",
    "bare_ports",
    "dns",
    "dns_search",
    "dns_options",
    "add_hosts",
    "ipc_sharing",
    "cap_drop",
    "no_new_privileges",
    "storage",
    "process_extras",
    "restart",
    "stop_signal",
    "stop_timeout",
    "healthcheck",
    "health_on_failure",
    "log",
    "create_command",
    "platform",
    "definition",
];

/// The beginnings of keys by which a container gets rights.
const KEYS: [&str; 4] = ["raw.", "security.idmap.", "security.privileged", "security.syscalls."];

/// Refuses a container that asks something of the machine.
pub(super) fn check(what: &str, record: &Record) -> Result<()> {
    let mut asked = options(&record.options)?;
    asked.extend(record.options.mounts.iter().filter_map(mount_option));
    asked.extend(record.mounts.iter().filter_map(mount));
    asked.extend(settings(&record.instance.own()));
    refuse(what, asked)
}

/// [`check`] for settings in LXD's words.
pub(super) fn check_settings(what: &str, own: &Settings) -> Result<()> {
    refuse(what, settings(own))
}

/// [`check`] for the profiles that a container names. The one that every container gets is for this one, too.
pub(super) fn check_profiles(what: &str, profiles: &ProfilesLock<'_>, instance: &Instance) -> Result<()> {
    let named = instance.profiles.iter().filter(|name| *name != DEFAULT_PROFILE).cloned().collect();
    let of_profiles = profiles.expand(&Instance { profiles: named, ..Instance::default() })?;
    check_settings(&format!("profiles of {what}"), &of_profiles)
}

fn refuse(what: &str, mut asked: Vec<String>) -> Result<()> {
    asked.sort();
    asked.dedup();
    match asked.is_empty() {
        true => Ok(()),
        false => Err(Error::Invalid {
            what: format!("backup: {what}"),
            why: format!(
                "it asks for what belongs to this machine ({}): --trusted gives it that, if you know where the archive is from",
                asked.join(", ")
            ),
        }),
    }
}

fn options(given: &CreateOptions) -> Result<Vec<String>> {
    let mut usual = CreateOptions { system: given.system, ..CreateOptions::default() };
    init::apply(&mut usual)?;
    let (usual, found) = (object(&usual)?, object(given)?);
    let is_usual = |name: &str, value: &Value| usual.get(name) == Some(value);
    let mut asked: Vec<String> = Vec::new();
    for (name, value) in &found {
        let is_fine = match name.as_str() {
            "mounts" => true,
            "network" => matches!(
                given.network,
                NetworkMode::Default | NetworkMode::None | NetworkMode::Networks | NetworkMode::UserMode(_)
            ),
            "userns" => has_ids_of_its_own(given) || is_usual(name, value),
            name => HARMLESS.contains(&name) || is_usual(name, value),
        };
        if !is_fine {
            asked.push(format!("option {name}"));
        }
    }
    asked.sort();
    Ok(asked)
}

/// Whether hull chooses the container's ids, so that nobody else has them.
fn has_ids_of_its_own(given: &CreateOptions) -> bool {
    let chosen = |mode: &str| {
        let size = mode.strip_prefix("auto:size=");
        mode == "auto" || size.is_some_and(|size| size.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let mode = &given.userns.mode;
    chosen(mode) && given.userns == UsernsOptions { mode: mode.clone(), ..UsernsOptions::default() }
}

fn object(options: &CreateOptions) -> Result<Map<String, Value>> {
    match serde_json::to_value(options) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Ok(Map::new()),
        Err(error) => Err(Error::Unsupported(format!("a record cannot be written as JSON: {error}"))),
    }
}

fn mount_option(mount: &MountOption) -> Option<String> {
    match mount {
        MountOption::Tmpfs { .. } => None,
        MountOption::Volume { name: None, extras, .. } if extras.driver_options.is_empty() => None,
        mount => Some(format!("mount at {}", mount.target().display())),
    }
}

fn mount(mount: &MountRecord) -> Option<String> {
    let extras = &mount.extras;
    let is_plain = extras.driver_options.is_empty()
        && !extras.has_driver_mount
        && extras.handed.is_none()
        && extras.layers.is_empty()
        && extras.device.is_none()
        && extras.block.is_none()
        && extras.node.is_none();
    match mount.kind {
        MountKind::Tmpfs if is_plain => None,
        // A volume with a name may exist on this machine and have somebody's files.
        MountKind::Volume if is_plain && mount.anonymous => None,
        _ => Some(format!("mount at {}", mount.destination.display())),
    }
}

fn settings(own: &Settings) -> Vec<String> {
    let is_refused = |key: &&String| KEYS.iter().any(|refused| key.starts_with(refused));
    let keys = own.config.keys().filter(is_refused).map(|key| format!("key {key}"));
    let devices = own.devices.iter().filter(|(_, device)| !is_harmless(device));
    keys.chain(devices.map(|(name, _)| format!("device {name}"))).collect()
}

/// Whether it is the root's own disk, a link to a network of hull, or of the type `none`, which stands for no device.
fn is_harmless(device: &Device) -> bool {
    let get = |key: &str| device.get(key).map(String::as_str);
    match get("type") {
        Some("none") => true,
        Some("disk") => get("path") == Some("/") && get("source").is_none(),
        Some("nic") => get("network").is_some() && get("parent").is_none() && get("nictype").is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_container_asks_for_nothing() {
        for system in [false, true] {
            let mut options = CreateOptions { system, ..CreateOptions::default() };
            init::apply(&mut options).unwrap();
            assert_eq!(super::options(&options).unwrap(), Vec::<String>::new());
        }
    }

    #[test]
    fn every_harmless_option_exists() {
        let all = object(&CreateOptions {
            storage: crate::records::storage::StorageOptions { pool: Some("p".into()), size: None },
            bare_ports: vec![1],
            create_command: vec!["x".into()],
            definition: Some("x".into()),
            ..CreateOptions::default()
        })
        .unwrap();
        for name in HARMLESS {
            assert!(all.contains_key(name), "{name}");
        }
    }

    #[test]
    fn what_is_the_machines_is_named() {
        let options = CreateOptions {
            privileged: true,
            cap_add: vec!["ALL".into()],
            network: NetworkMode::Host,
            ..CreateOptions::default()
        };
        assert_eq!(
            super::options(&options).unwrap(),
            ["option cap_add", "option network", "option privileged"]
        );
        let device = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<Device>()
        };
        assert!(!is_harmless(&device(&[("type", "disk"), ("path", "/"), ("source", "/etc")])));
        assert!(!is_harmless(&device(&[("type", "nic"), ("parent", "eth0"), ("nictype", "macvlan")])));
        assert!(is_harmless(&device(&[("type", "nic"), ("network", "bridge")])));
    }
}
