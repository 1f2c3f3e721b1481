//! What CDI devices change in the configuration.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path};

use hull_docker::wire::host_config::DeviceRequest;
use hull_runtime::spec::{Device, DeviceRule, Hook, Hooks, Mount, NetDevice, Spec};

use crate::cdi::{DeviceNode, Edits};
use crate::error::{Error, IoContext, Result};
use crate::records::record::Record;

pub(super) fn apply(edits: Edits, record: &Record, spec: &mut Spec) -> Result<()> {
    if edits.intel_rdt.is_some() {
        let why = "the device wants intelRdt, and hull's runtime does not apply it";
        return Err(Error::Unsupported(why.into()));
    }
    let (mut uid, mut gid) = (0, 0);
    if let Some(process) = &mut spec.process {
        super::set_variables(&mut process.env, edits.env.iter());
        process.user.additional_gids.extend(edits.additional_gids.iter().filter(|gid| **gid != 0));
        (uid, gid) = (process.user.uid, process.user.gid);
    }
    for node in &edits.device_nodes {
        add_node(node, record, (uid, gid), spec)?;
    }
    if let Some(linux) = &mut spec.linux {
        for device in edits.net_devices {
            linux.net_devices.insert(device.host_interface_name, NetDevice { name: Some(device.name) });
        }
    }
    add_mounts(edits.mounts, spec);
    for hook in edits.hooks {
        let hooks = spec.hooks.get_or_insert_default();
        let env = (!hook.env.is_empty()).then_some(hook.env);
        let added = Hook { path: hook.path, args: hook.args, env, timeout: hook.timeout };
        if let Some(list) = list(hooks, &hook.hook_name) {
            list.push(added);
        }
    }
    Ok(())
}

/// A request for the CDI devices of a container's devices.
pub(super) fn requests(named: &[(String, String)]) -> Option<DeviceRequest> {
    let names: Vec<String> = named.iter().map(|(_, name)| name.clone()).collect();
    (!names.is_empty()).then(|| request(names))
}

/// A request for CDI devices by their names.
pub(crate) fn request(device_ids: Vec<String>) -> DeviceRequest {
    DeviceRequest { driver: "cdi".into(), device_ids, ..DeviceRequest::default() }
}

fn list<'a>(hooks: &'a mut Hooks, name: &str) -> Option<&'a mut Vec<Hook>> {
    Some(match name {
        "prestart" => &mut hooks.prestart,
        "createRuntime" => &mut hooks.create_runtime,
        "createContainer" => &mut hooks.create_container,
        "startContainer" => &mut hooks.start_container,
        "poststart" => &mut hooks.poststart,
        "poststop" => &mut hooks.poststop,
        _ => return None,
    })
}

/// Parents come before what is mounted in them; mounts of one depth keep their order.
fn add_mounts(mounts: Vec<crate::cdi::Mount>, spec: &mut Spec) {
    if mounts.is_empty() {
        return;
    }
    for crate::cdi::Mount { host_path, container_path, mut options, kind } in mounts {
        let is_bind = kind.is_empty() || kind == "bind";
        if is_bind && !options.iter().any(|option| option == "bind" || option == "rbind") {
            options.push("rbind".into());
        }
        spec.mounts.retain(|mount| mount.destination != container_path);
        spec.mounts.push(Mount {
            destination: container_path,
            kind: Some(if is_bind { "bind".into() } else { kind }),
            source: Some(host_path),
            options,
            ..Mount::default()
        });
    }
    let depth = |path: &Path| path.components().filter(|one| matches!(one, Component::Normal(_))).count();
    spec.mounts.sort_by_key(|mount| depth(&mount.destination));
}

/// The container's user gets the node, unless the specification names another owner.
fn add_node(node: &DeviceNode, record: &Record, (uid, gid): (u32, u32), spec: &mut Spec) -> Result<()> {
    let host = node.host_path.as_ref().unwrap_or(&node.path);
    let mut made = Device {
        path: node.path.clone(),
        kind: node.kind.clone(),
        major: node.major,
        minor: node.minor,
        file_mode: node.file_mode,
        uid: node.uid.or(Some(uid).filter(|uid| *uid > 0)),
        gid: node.gid.or(Some(gid).filter(|gid| *gid > 0)),
    };
    if made.kind.is_empty() || made.kind != "p" && made.major == 0 {
        complete(&mut made, host)?;
    }
    let Some(linux) = &mut spec.linux else { return Ok(()) };
    // An unprivileged user has no device rules.
    if ["b", "c"].contains(&&*made.kind)
        && !hull_sys::id_map::in_user_namespace()
        && let Some(resources) = &mut linux.resources
    {
        let access = match node.permissions.as_str() {
            "" => "rwm",
            "none" => "",
            some => some,
        };
        let (major, minor) = (Some(made.major), Some(made.minor));
        let (kind, access) = (Some(made.kind.clone()), Some(access.to_owned()));
        resources.devices.push(DeviceRule { allow: true, kind, major, minor, access });
    }
    linux.devices.retain(|device| device.path != made.path);
    match record.in_user_namespace() {
        // No node can be made there (mknod(2)).
        true => spec.mounts.push(super::mounts::bind(host, &node.path, &["bind", "rprivate"])),
        false => linux.devices.push(made),
    }
    Ok(())
}

/// Takes from the host's node what the specification does not say.
fn complete(device: &mut Device, host: &Path) -> Result<()> {
    let found = std::fs::metadata(host).context(|| format!("use device {}", host.display()))?;
    let kind = match found.file_type() {
        kind if kind.is_char_device() => "c",
        kind if kind.is_block_device() => "b",
        kind if kind.is_fifo() => "p",
        _ => "",
    };
    if kind.is_empty() || !device.kind.is_empty() && device.kind.replace('u', "c") != kind {
        return Err(Error::Invalid {
            what: format!("device {}", host.display()),
            why: "it is no device of the type that its specification says".into(),
        });
    }
    device.kind = kind.into();
    device.major = i64::from(rustix::fs::major(found.rdev()));
    device.minor = i64::from(rustix::fs::minor(found.rdev()));
    Ok(())
}
