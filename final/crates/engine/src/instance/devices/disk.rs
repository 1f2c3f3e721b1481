//! `disk`: a directory or a file of the host, or a volume.

use std::os::unix::fs::FileTypeExt;
use std::path::{Component, Path, PathBuf};

use hull_docker::flags::local_driver;

use super::Named;
use crate::engine::Engine;
use crate::error::Result;
use crate::records::mount_extras::{MountExtras, Recursion};
use crate::records::record::{MountKind, MountRecord};
use crate::rootfs::block;

/// The pool whose volumes are docker's volumes.
const DEFAULT_POOL: &str = "default";

const PROPAGATIONS: [&str; 8] =
    ["private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable", "runbindable"];

/// `None` for the root's disk, which every container has.
pub(super) fn plan(engine: &Engine, device: &Named<'_>) -> Result<Option<MountRecord>> {
    let destination = PathBuf::from(device.need("path")?);
    if destination == Path::new("/") {
        return Ok(None);
    }
    if device.get("size").is_some() {
        return Err(device.unsupported(
            "only the root has size=; that of a volume is a key of its own (hull storage volume set), and a directory of the \
             host has none",
        ));
    }
    check_destination(device, &destination)?;
    let extras = MountExtras {
        device: Some(device.name.to_owned()),
        optional: is_optional(device)?,
        recursion: if device.flag("recursive", false)? { Recursion::Enabled } else { Recursion::Disabled },
        ..MountExtras::default()
    };
    let mount = MountRecord {
        kind: MountKind::Bind,
        name: None,
        source: PathBuf::new(),
        destination,
        read_only: device.flag("readonly", false)?,
        copy_up: false,
        anonymous: false,
        options: propagation(device)?.into_iter().collect(),
        extras,
    };
    let source = device.need("source")?;
    match device.get("pool") {
        Some(_) if device.get("raw.mount.options").is_some() => {
            Err(device.unsupported("a volume has no raw.mount.options=: it is mounted already"))
        }
        Some(pool) => volume(engine, device, (pool, source), mount).map(Some),
        None => host_path(device, Path::new(source), mount).map(Some),
    }
}

/// `optional=` is the older name of the opposite of `required=`.
fn is_optional(device: &Named<'_>) -> Result<bool> {
    let is_required = device.flag("required", !device.flag("optional", false)?)?;
    if !is_required && device.get("pool").is_some() {
        return Err(
            device.unsupported("a volume is there, or the container does not start: it is not optional")
        );
    }
    Ok(!is_required)
}

fn check_destination(device: &Named<'_>, path: &Path) -> Result<()> {
    let is_plain = |one: Component<'_>| matches!(one, Component::RootDir | Component::Normal(_));
    if !path.is_absolute() || !path.components().all(is_plain) {
        return Err(device.wrong("path", "it is an absolute path without .."));
    }
    match ["/proc", "/sys"].iter().any(|kernel| path.starts_with(kernel)) {
        true => Err(device.wrong("path", "nothing is mounted in the file systems of the kernel")),
        false => Ok(()),
    }
}

fn propagation(device: &Named<'_>) -> Result<Option<String>> {
    device.parsed("propagation", |text| match PROPAGATIONS.contains(&text) {
        true => Ok(text.to_owned()),
        false => Err(format!("it is one of {}", PROPAGATIONS.join(", "))),
    })
}

fn host_path(device: &Named<'_>, source: &Path, mount: MountRecord) -> Result<MountRecord> {
    if !source.is_absolute() {
        return Err(device.wrong("source", "it is an absolute path of this machine"));
    }
    let found = match std::fs::metadata(source) {
        Ok(found) => Some(found),
        Err(_) if mount.extras.optional => None,
        Err(error) => return Err(device.wrong("source", &format!("{error}; required=false allows that"))),
    };
    // What is missing now, and is named like a device, will be one.
    let is_block =
        found.map_or(source.starts_with("/dev"), |found| FileTypeExt::is_block_device(&found.file_type()));
    let block = file_system(device, is_block)?;
    let shift = device.flag("shift", false)?;
    if shift && hull_sys::id_map::in_user_namespace() {
        return Err(
            device.wrong("shift", "the kernel maps no file system of the host for an unprivileged user")
        );
    }
    // A container without ids of its own has those of the host, and needs no mapping.
    let extras = MountExtras { idmap: shift, block, ..mount.extras };
    Ok(MountRecord { source: source.into(), extras, ..mount })
}

/// The options with which the file system of a block device is mounted. `None` for a directory or a file.
fn file_system(device: &Named<'_>, is_block: bool) -> Result<Option<Vec<String>>> {
    let options = device.parsed("raw.mount.options", block::options)?;
    match is_block {
        true if hull_sys::id_map::in_user_namespace() => {
            Err(device.wrong("source", "it is a block device, and only root mounts its file system"))
        }
        true => Ok(Some(options.unwrap_or_default())),
        false if options.is_some() => Err(device.unsupported(
            "raw.mount.options= are those of the file system of a block device, and a directory is on one that is mounted \
             already",
        )),
        false => Ok(None),
    }
}

fn volume(
    engine: &Engine,
    device: &Named<'_>,
    (pool, name): (&str, &str),
    mount: MountRecord,
) -> Result<MountRecord> {
    if pool != DEFAULT_POOL {
        // As in docker's volumes, the files have 0-based ids on the disk.
        let extras = MountExtras { idmap: true, recursion: Recursion::Enabled, ..mount.extras };
        let source = engine.pool_volume_source(pool, name)?;
        return Ok(MountRecord { source, extras, ..mount });
    }
    let found = engine.volumes().find(name)?;
    let volume = found.ok_or_else(|| device.wrong("source", "the pool has no such volume"))?;
    let driver = local_driver::parse(&volume.options).map_err(|why| device.wrong("source", &why))?;
    let extras =
        MountExtras { has_driver_mount: driver.is_some(), recursion: Recursion::Enabled, ..mount.extras };
    let source = engine.volumes().data_dir(name)?;
    Ok(MountRecord { kind: MountKind::Volume, name: Some(name.into()), source, extras, ..mount })
}
