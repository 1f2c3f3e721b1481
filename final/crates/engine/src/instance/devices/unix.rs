//! `unix-char` and `unix-block`: a device node in the container for a device of the host.

use std::path::{Component, Path, PathBuf};

use super::Named;
use crate::error::Result;
use crate::records::mount_extras::{MountExtras, Node, Recursion};
use crate::records::record::{MountKind, MountRecord};

/// LXD's default mode of a node.
const MODE: u32 = 0o660;

pub(super) fn plan(device: &Named<'_>, is_block: bool) -> Result<MountRecord> {
    let numbers = match (device.number("major")?, device.number("minor")?) {
        (Some(major), Some(minor)) => Some((major, minor)),
        (None, None) => None,
        _ => return Err(device.invalid("major= and minor= are given together")),
    };
    let (source, path) = match (device.get("source"), device.get("path")) {
        (None, None) => return Err(device.invalid("it needs source= or path=")),
        (source, path) => (source.or(path).unwrap_or_default(), path.or(source).unwrap_or_default()),
    };
    let is_plain = |one: Component<'_>| matches!(one, Component::RootDir | Component::Normal(_));
    for (key, path) in [("source", source), ("path", path)] {
        let path = Path::new(path);
        if !path.is_absolute() || path == Path::new("/") || !path.components().all(is_plain) {
            return Err(device.wrong(key, "it is an absolute path without .."));
        }
    }
    let optional = !device.flag("required", true)?;
    let mut mount = MountRecord {
        kind: MountKind::Bind,
        name: None,
        source: source.into(),
        destination: PathBuf::from(path),
        read_only: false,
        copy_up: false,
        anonymous: false,
        options: vec![],
        extras: MountExtras {
            device: Some(device.name.to_owned()),
            optional,
            recursion: Recursion::Disabled,
            ..MountExtras::default()
        },
    };
    // An unprivileged user cannot make device nodes (mknod(2)). The host's node is bound, with its own permissions.
    if hull_sys::id_map::in_user_namespace() {
        let own = ["major", "minor", "mode", "uid", "gid"].into_iter().find(|key| device.get(key).is_some());
        return match own {
            Some(key) => Err(device.unsupported(&format!("an unprivileged user cannot set {key}="))),
            None => Ok(mount),
        };
    }
    let node = Node {
        is_block,
        numbers,
        mode: device.parsed("mode", hull_lxd::value::mode)?.unwrap_or(MODE),
        uid: device.number("uid")?.unwrap_or(0),
        gid: device.number("gid")?.unwrap_or(0),
    };
    // A missing or wrong device is an error now, and not only at the next start.
    if crate::rootfs::nodes::numbers(&mount, &node)?.is_none() && !optional {
        return Err(device.wrong("source", "there is no such device"));
    }
    mount.extras.node = Some(node);
    Ok(mount)
}
