//! `--device`, `--device-cgroup-rule`, and every device of the host for `--privileged`.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use hull_docker::flags::device;
use hull_runtime::spec::{Device, DeviceRule, Mount};

use crate::error::{Error, IoContext, Result};
use crate::records::options::{CreateOptions, DeviceOption};
use crate::records::record::{MountRecord, Record};

/// The device nodes that a container gets in addition to the default ones.
pub(super) fn nodes(record: &Record) -> Result<Vec<Device>> {
    let options = &record.options;
    let mut nodes = Vec::new();
    if options.privileged {
        collect_host_devices(Path::new("/dev"), &mut nodes)?;
    }
    // In a user namespace they are bind-mounted; see `binds`.
    for device in options.devices.iter().filter(|_| !record.in_user_namespace()) {
        for (host, container) in expand(device)? {
            nodes.push(node(&host, &container)?);
        }
    }
    Ok(nodes)
}

/// The devices of `--device` in a user namespace. Device nodes cannot be made there (mknod(2)), so the host's are
/// bind-mounted under the names that they get inside.
pub(super) fn binds(record: &Record) -> Result<Vec<Mount>> {
    let options = &record.options;
    let mut binds = Vec::new();
    for device in options.devices.iter().filter(|_| record.in_user_namespace()) {
        for (host, container) in expand(device)? {
            node(&host, &container)?;
            binds.push(super::mounts::bind(&host, &container, &["bind", "rprivate"]));
        }
    }
    Ok(binds)
}

/// The accesses that the device cgroup has to allow.
pub(super) fn rules(options: &CreateOptions) -> Result<Vec<DeviceRule>> {
    let mut rules = Vec::new();
    for device in &options.devices {
        for (host, container) in expand(device)? {
            let node = node(&host, &container)?;
            rules.push(DeviceRule {
                allow: true,
                kind: Some(node.kind),
                major: Some(node.major),
                minor: Some(node.minor),
                access: Some(device.permissions.clone()),
            });
        }
    }
    for rule in &options.device_cgroup_rules {
        let rule = device::parse_rule(rule)
            .map_err(|why| Error::Invalid { what: format!("device rule {rule:?}"), why })?;
        rules.push(DeviceRule {
            allow: true,
            kind: Some(rule.kind.to_string()),
            major: rule.major.map(i64::from),
            minor: rule.minor.map(i64::from),
            access: Some(rule.access),
        });
    }
    Ok(rules)
}

/// The rules that allow the device nodes which a container's devices ask for.
pub(crate) fn node_rules(mounts: &[MountRecord]) -> Result<Vec<DeviceRule>> {
    let nodes = mounts.iter().filter_map(|mount| Some((mount, mount.extras.node.as_ref()?)));
    let mut rules = Vec::new();
    for (mount, node) in nodes {
        if let Some((major, minor)) = crate::rootfs::nodes::numbers(mount, node)? {
            rules.push(DeviceRule {
                allow: true,
                kind: Some(if node.is_block { "b" } else { "c" }.into()),
                major: Some(major.into()),
                minor: Some(minor.into()),
                access: Some("rwm".into()),
            });
        }
    }
    Ok(rules)
}

/// A directory stands for the devices in it.
fn expand(device: &DeviceOption) -> Result<Vec<(PathBuf, PathBuf)>> {
    if !device.host.is_dir() {
        return Ok(vec![(device.host.clone(), device.container.clone())]);
    }
    let mut nodes = Vec::new();
    collect_host_devices(&device.host, &mut nodes)?;
    let inside = |path: &Path| match path.strip_prefix(&device.host) {
        Ok(rest) => device.container.join(rest),
        Err(_) => path.to_owned(),
    };
    Ok(nodes.into_iter().map(|node| (node.path.clone(), inside(&node.path))).collect())
}

fn node(host: &Path, container: &Path) -> Result<Device> {
    let metadata = std::fs::metadata(host).context(|| format!("use device {}", host.display()))?;
    let kind = match metadata.file_type() {
        kind if kind.is_char_device() => "c",
        kind if kind.is_block_device() => "b",
        _ => {
            return Err(Error::Invalid {
                what: format!("device {}", host.display()),
                why: "it is not a device node".into(),
            });
        }
    };
    let number = metadata.rdev();
    Ok(Device {
        path: container.into(),
        kind: kind.into(),
        major: i64::from(rustix::fs::major(number)),
        minor: i64::from(rustix::fs::minor(number)),
        file_mode: Some(metadata.mode() & 0o7777),
        uid: Some(metadata.uid()),
        gid: Some(metadata.gid()),
    })
}

fn collect_host_devices(directory: &Path, nodes: &mut Vec<Device>) -> Result<()> {
    /// Each container has its own of these.
    const OWN: &[&str] = &["pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev", "console"];
    let entries = std::fs::read_dir(directory).context(|| format!("read {}", directory.display()))?;
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        let path = entry.path();
        if OWN.iter().any(|own| entry.file_name() == *own) {
            continue;
        }
        if kind.is_dir() {
            collect_host_devices(&path, nodes)?;
        } else if kind.is_char_device() || kind.is_block_device() {
            nodes.push(node(&path, &path)?);
        }
    }
    Ok(())
}
