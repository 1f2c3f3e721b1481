//! A CDI specification: the devices of one vendor and class, and what each changes in a container.
//!
//! It is trusted as far as its file is: it may name programs that run outside the container, with the caller's rights. So
//! its file must belong to root or to the caller, and nobody else may be able to write it.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use hull_docker::flags::cdi;
use serde::Deserialize;

/// Versions by the fields that came with each, the oldest one first.
const VERSIONS: [&str; 8] = ["0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0", "1.1.0"];

/// The largest file that is read, in bytes.
const LARGEST: u64 = 4 << 20;

/// The user that stands for all that a user namespace does not map (user_namespaces(7)).
const OVERFLOW_UID: u32 = 65534;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Document {
    cdi_version: String,
    pub kind: String,
    annotations: BTreeMap<String, String>,
    pub devices: Vec<Device>,
    /// They apply once to a container that gets any of the devices.
    pub container_edits: Edits,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Device {
    pub name: String,
    annotations: BTreeMap<String, String>,
    pub container_edits: Edits,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Edits {
    /// `NAME=VALUE`.
    pub env: Vec<String>,
    pub device_nodes: Vec<DeviceNode>,
    pub net_devices: Vec<NetDevice>,
    pub hooks: Vec<Hook>,
    pub mounts: Vec<Mount>,
    pub intel_rdt: Option<IntelRdt>,
    pub additional_gids: Vec<u32>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct DeviceNode {
    pub path: PathBuf,
    /// The same as `path` if it is missing.
    pub host_path: Option<PathBuf>,
    /// `b`, `c`, `u` or `p`; empty: that of the host's node.
    #[serde(rename = "type")]
    pub kind: String,
    pub major: i64,
    pub minor: i64,
    pub file_mode: Option<u32>,
    /// Of `rwm`, or `none`; empty: all.
    pub permissions: String,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct NetDevice {
    pub host_interface_name: String,
    pub name: String,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Mount {
    pub host_path: String,
    pub container_path: PathBuf,
    pub options: Vec<String>,
    #[serde(rename = "type")]
    pub kind: String,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Hook {
    pub hook_name: String,
    pub path: PathBuf,
    pub args: Vec<String>,
    pub env: Vec<String>,
    /// Seconds.
    pub timeout: Option<u64>,
}

/// hull's runtime has none of it, so only its presence counts.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(crate) struct IntelRdt {}

impl Document {
    pub(super) fn load(path: &Path) -> Result<Self, String> {
        let file = hull_storage::file::open(path).map_err(|error| error.to_string())?;
        check_owner(&file.metadata().map_err(|error| error.to_string())?)?;
        let mut bytes = Vec::new();
        file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        if bytes.len() as u64 > LARGEST {
            return Err("it is larger than 4 MiB".into());
        }
        let is_yaml = path.extension().is_some_and(|extension| extension == "yaml");
        let document = if is_yaml { Self::from_yaml(&bytes)? } else { Self::from_json(&bytes)? };
        document.check()?;
        Ok(document)
    }

    fn from_json(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }

    fn from_yaml(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
        let value = hull_yaml::parse(text).map_err(|error| error.to_string())?;
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    fn check(&self) -> Result<(), String> {
        if !cdi::is_kind(&self.kind) {
            return Err(format!("its kind {:?} is not VENDOR/CLASS", self.kind));
        }
        let version = self.cdi_version.strip_prefix('v').unwrap_or(&self.cdi_version);
        let Some(declared) = VERSIONS.iter().position(|known| *known == version) else {
            return Err(format!("invalid version {:?}", self.cdi_version));
        };
        let needed = self.needed_version();
        if declared < needed {
            return Err(format!("the spec version must be at least v{}", VERSIONS[needed]));
        }
        if self.devices.is_empty() {
            return Err("it has no devices".into());
        }
        self.container_edits.check()?;
        for device in &self.devices {
            if !cdi::is_device(&device.name) {
                return Err(format!("invalid device name {:?}", device.name));
            }
            if device.container_edits == Edits::default() {
                return Err(format!("device {:?} has no edits", device.name));
            }
            device.container_edits.check()?;
            if self.devices.iter().filter(|other| other.name == device.name).count() > 1 {
                return Err(format!("it has two devices {:?}", device.name));
            }
        }
        Ok(())
    }

    /// The index in [`VERSIONS`] of the first one that has all fields that are used.
    fn needed_version(&self) -> usize {
        let edits =
            || self.devices.iter().map(|device| &device.container_edits).chain([&self.container_edits]);
        let any = |uses: fn(&Edits) -> bool| edits().any(uses);
        let has_annotations =
            !self.annotations.is_empty() || self.devices.iter().any(|device| !device.annotations.is_empty());
        let has_dot = self.kind.split_once('/').is_some_and(|(_, class)| class.contains('.'));
        let has_digit =
            self.devices.iter().any(|device| !device.name.starts_with(|one: char| one.is_ascii_alphabetic()));
        if any(|edits| !edits.net_devices.is_empty()) {
            7
        } else if any(|edits| edits.intel_rdt.is_some() || !edits.additional_gids.is_empty()) {
            4
        } else if has_annotations || has_dot {
            3
        } else if has_digit || any(|edits| edits.device_nodes.iter().any(|node| node.host_path.is_some())) {
            2
        } else {
            usize::from(any(|edits| edits.mounts.iter().any(|mount| !mount.kind.is_empty())))
        }
    }
}

fn check_owner(file: &std::fs::Metadata) -> Result<(), String> {
    let own = rustix::process::geteuid().as_raw();
    let is_mapped_root = hull_sys::id_map::in_user_namespace() && file.uid() == OVERFLOW_UID;
    if !file.is_file() {
        return Err("it is not a file".into());
    }
    if file.uid() != 0 && file.uid() != own && !is_mapped_root {
        return Err(format!(
            "it belongs to user {}, and may name programs that run with your rights",
            file.uid()
        ));
    }
    match file.mode() & 0o002 {
        0 => Ok(()),
        _ => Err("everybody can write it, and it may name programs that run with your rights".into()),
    }
}

const HOOKS: [&str; 6] =
    ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

impl Edits {
    fn check(&self) -> Result<(), String> {
        check_env(&self.env)?;
        for node in &self.device_nodes {
            let path = node.path.display();
            if !node.path.is_absolute() {
                return Err(format!("device path {path:?} does not begin with /"));
            }
            if !["", "b", "c", "u", "p"].contains(&&*node.kind) {
                return Err(format!("device {path}: invalid type {:?}", node.kind));
            }
            if node.major < 0 || node.minor < 0 {
                return Err(format!("device {path}: invalid number {}:{}", node.major, node.minor));
            }
            if node.permissions != "none" && !node.permissions.chars().all(|one| "rwm".contains(one)) {
                return Err(format!("device {path}: invalid permissions {:?}", node.permissions));
            }
        }
        for hook in &self.hooks {
            if !HOOKS.contains(&&*hook.hook_name) {
                return Err(format!("invalid hook name {:?}", hook.hook_name));
            }
            if !hook.path.is_absolute() {
                return Err(format!("the path of a {} hook does not begin with /", hook.hook_name));
            }
            check_env(&hook.env)?;
        }
        for mount in &self.mounts {
            if mount.host_path.is_empty() || !mount.container_path.is_absolute() {
                return Err("a mount needs a hostPath, and a containerPath that begins with /".into());
            }
        }
        match self.net_devices.iter().any(|one| one.host_interface_name.is_empty() || one.name.is_empty()) {
            true => Err("a network device needs a hostInterfaceName and a name".into()),
            false => Ok(()),
        }
    }

    pub(super) fn append(&mut self, other: &Self) {
        let Self { env, device_nodes, net_devices, hooks, mounts, intel_rdt, additional_gids } =
            other.clone();
        self.env.extend(env);
        self.device_nodes.extend(device_nodes);
        self.net_devices.extend(net_devices);
        self.hooks.extend(hooks);
        self.mounts.extend(mounts);
        self.intel_rdt = intel_rdt.or(self.intel_rdt.take());
        self.additional_gids.extend(additional_gids);
    }
}

fn check_env(env: &[String]) -> Result<(), String> {
    match env.iter().find(|entry| entry.find('=').is_none_or(|at| at == 0)) {
        Some(entry) => Err(format!("invalid environment variable {entry:?}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Document, String> {
        let document = Document::from_json(json.as_bytes())?;
        document.check().map(|()| document)
    }

    fn with(version: &str, kind: &str, name: &str, edits: &str) -> Result<Document, String> {
        read(&format!(
            r#"{{"cdiVersion": "{version}", "kind": "{kind}",
                 "devices": [{{"name": "{name}", "containerEdits": {edits}}}]}}"#
        ))
    }

    const ENV: &str = r#"{"env": ["A=1"]}"#;

    #[test]
    fn a_version_has_to_know_what_is_used() {
        for version in ["0.3.0", "0.8.0", "v0.5.0", "1.0.0"] {
            with(version, "vendor.com/class", "dev", ENV).unwrap();
        }
        for (version, kind, name, edits) in [
            ("0.2.0", "v/c", "d", ENV),
            ("2.0.0", "v/c", "d", ENV),
            ("0.5.0", "v/c.d", "d", ENV),
            ("0.4.0", "v/c", "1", ENV),
            ("0.4.0", "v/c", "d", r#"{"deviceNodes": [{"path": "/dev/a", "hostPath": "/dev/b"}]}"#),
            (
                "0.3.0",
                "v/c",
                "d",
                r#"{"mounts": [{"hostPath": "/a", "containerPath": "/b", "type": "tmpfs"}]}"#,
            ),
            ("0.6.0", "v/c", "d", r#"{"additionalGids": [7]}"#),
            ("1.0.0", "v/c", "d", r#"{"netDevices": [{"hostInterfaceName": "a", "name": "b"}]}"#),
        ] {
            assert!(with(version, kind, name, edits).is_err(), "{version} {kind} {name} {edits}");
        }
    }

    #[test]
    fn what_the_specification_forbids_is_refused() {
        for edits in [
            "{}",
            r#"{"env": ["A"]}"#,
            r#"{"env": ["=1"]}"#,
            r#"{"unknown": 1}"#,
            r#"{"deviceNodes": [{"path": ""}]}"#,
            r#"{"deviceNodes": [{"path": "/dev/a", "type": "x"}]}"#,
            r#"{"deviceNodes": [{"path": "/dev/a", "major": -1}]}"#,
            r#"{"deviceNodes": [{"path": "/dev/a", "permissions": "x"}]}"#,
            r#"{"hooks": [{"hookName": "never", "path": "/bin/true"}]}"#,
            r#"{"hooks": [{"hookName": "poststop"}]}"#,
            r#"{"mounts": [{"hostPath": "/a"}]}"#,
        ] {
            assert!(with("0.8.0", "v/c", "d", edits).is_err(), "{edits}");
        }
        for (kind, name) in [("v", "d"), ("1/c", "d"), ("v/c", ""), ("v/c", "a b")] {
            assert!(with("0.8.0", kind, name, ENV).is_err(), "{kind} {name}");
        }
        assert!(read(r#"{"cdiVersion": "0.8.0", "kind": "v/c", "devices": []}"#).is_err());
    }

    #[test]
    fn yaml_has_the_fields_of_json() {
        let yaml = "---\ncdiVersion: 0.5.0\nkind: v/c\ncontainerEdits:\n  env: [A=1]\ndevices:\n- name: \"0\"\n  \
                    containerEdits:\n    deviceNodes:\n    - path: /dev/a\n      fileMode: 0660\n      uid: 7\n";
        let document = Document::from_yaml(yaml.as_bytes()).unwrap();
        // The name begins with a digit.
        document.check().unwrap();
        assert_eq!(document.container_edits.env, ["A=1"]);
        let node = &document.devices[0].container_edits.device_nodes[0];
        assert_eq!((node.file_mode, node.uid, &*document.devices[0].name), (Some(0o660), Some(7), "0"));
        for wrong in ["", "a: [", "kind: 1", "unknown: 1", "kind: v/c\nkind: v/c", "- kind: v/c"] {
            assert!(Document::from_yaml(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(Document::from_yaml(b"kind: \xff").is_err());
    }
}
