//! `storage volume`: volumes of pools, with LXD's words.

use std::collections::BTreeMap;
use std::fs::File;

use anyhow::{Context, Result, bail};
use hull_docker::size;
use hull_engine::{Engine, PoolVolume};
use serde::Serialize;
use serde_json::json;

use super::settings;
use crate::cli::storage_volume::{
    StorageVolume, VolumeAttach, VolumeCopy, VolumeExport, VolumeImport, VolumeKey, VolumeList, VolumeName,
    VolumeRename,
};
use crate::commands::{device, transfer};
use crate::persona::Persona;
use crate::ui::list::{self, Columns};
use crate::ui::output;

pub(super) fn run(engine: &Engine, verb: &StorageVolume) -> Result<u8> {
    match verb {
        StorageVolume::Attach(args) => attach(engine, args)?,
        StorageVolume::Copy(args) => copy(engine, args)?,
        StorageVolume::Create(args) => {
            engine.create_pool_volume(&args.pool, name(&args.name), &settings::pairs(&args.config)?)?;
            output::line(format!("Storage volume {} created", args.name))?;
        }
        StorageVolume::Delete(args) => delete(engine, args)?,
        StorageVolume::Detach(args) => {
            let volume = (args.pool.as_str(), name(&args.name));
            let applied = engine.detach_volume(&args.container, args.device.as_deref(), volume)?;
            device::need_restart(&applied)?;
        }
        StorageVolume::Export(args) => export(engine, args)?,
        StorageVolume::Get(args) => get(engine, args)?,
        StorageVolume::Import(args) => import(engine, args)?,
        StorageVolume::Info(args) => info(engine, args)?,
        StorageVolume::List(args) => list(engine, args)?,
        StorageVolume::Move(args) => {
            engine.move_pool_volume(place(&args.from)?, place(&args.to)?)?;
            output::lxds("Storage volume moved successfully!")?;
        }
        StorageVolume::Rename(args) => rename(engine, args)?,
        StorageVolume::Restore(args) => {
            engine.restore_pool_volume(&args.pool, name(&args.name), &args.snapshot)?;
        }
        StorageVolume::Set(args) => {
            let changes = settings::pairs_or_one(&args.config)?;
            engine.set_pool_volume(&args.pool, name(&args.name), &changes)?;
        }
        StorageVolume::Show(args) => {
            output::text(&shown(&engine.pool_volume(&args.pool, name(&args.name))?))?;
        }
        StorageVolume::Snapshot(args) => {
            engine.snapshot_pool_volume(&args.pool, name(&args.name), args.snapshot.as_deref())?;
        }
        StorageVolume::Unset(args) => {
            let changes = BTreeMap::from([(args.key.clone(), String::new())]);
            engine.set_pool_volume(&args.pool, name(&args.name), &changes)?;
        }
    }
    Ok(0)
}

/// LXD's `custom/NAME` is a volume that is not a container's.
fn name(text: &str) -> &str {
    text.strip_prefix("custom/").unwrap_or(text)
}

/// `POOL/VOLUME`.
fn place(text: &str) -> Result<(&str, &str)> {
    match text.split_once('/') {
        Some((pool, volume)) if !pool.is_empty() && !volume.is_empty() => Ok((pool, name(volume))),
        _ => bail!("invalid volume {text:?}: it has to be POOL/VOLUME"),
    }
}

fn attach(engine: &Engine, args: &VolumeAttach) -> Result<()> {
    let volume = name(&args.name);
    let (device, path) = match &args.path {
        Some(path) => (args.device_or_path.as_str(), path),
        None => (volume, &args.device_or_path),
    };
    let applied = engine.attach_volume(&args.container, device, (&args.pool, volume), path)?;
    device::need_restart(&applied).map(drop)
}

fn copy(engine: &Engine, args: &VolumeCopy) -> Result<()> {
    engine.copy_pool_volume(place(&args.from)?, place(&args.to)?, !args.volume_only)?;
    output::lxds("Storage volume copied successfully!")
}

fn delete(engine: &Engine, args: &VolumeName) -> Result<()> {
    match name(&args.name).split_once('/') {
        Some((volume, snapshot)) => engine.delete_volume_snapshot(&args.pool, volume, snapshot)?,
        None => engine.delete_pool_volume(&args.pool, name(&args.name))?,
    }
    output::line(format!("Storage volume {} deleted", args.name))
}

fn rename(engine: &Engine, args: &VolumeRename) -> Result<()> {
    match name(&args.name).split_once('/') {
        Some((volume, snapshot)) => {
            let new = args.new.rsplit('/').next().unwrap_or(&args.new);
            engine.rename_volume_snapshot(&args.pool, volume, (snapshot, new))?;
        }
        None => engine.rename_pool_volume(&args.pool, name(&args.name), name(&args.new))?,
    }
    output::line(format!("Renamed storage volume from \"{}\" to \"{}\"", args.name, args.new))
}

fn export(engine: &Engine, args: &VolumeExport) -> Result<()> {
    let volume = name(&args.name);
    engine.pool_volume(&args.pool, volume)?;
    transfer::written(args.file.as_deref(), args.compression.as_deref(), |to| {
        Ok(engine.export_pool_volume(&args.pool, volume, to)?)
    })
}

fn import(engine: &Engine, args: &VolumeImport) -> Result<()> {
    if args.file.as_os_str() == "-" {
        return Ok(engine.import_pool_volume(&args.pool, name(&args.name), std::io::stdin().lock())?);
    }
    let file = File::open(&args.file).with_context(|| format!("cannot open {}", args.file.display()))?;
    Ok(engine.import_pool_volume(&args.pool, name(&args.name), file)?)
}

fn get(engine: &Engine, args: &VolumeKey) -> Result<()> {
    let volume = engine.pool_volume(&args.pool, name(&args.name))?;
    output::line(volume.config.get(&args.key).cloned().unwrap_or_default())
}

const COLUMNS: Columns = Columns {
    titles: &[
        ("Name", "NAME"),
        ("Description", "DESCRIPTION"),
        ("Size", "SIZE"),
        ("Snapshots", "SNAPSHOTS"),
        ("UsedBy", "USED BY"),
    ],
    shown: &["Name", "Description", "Size", "Snapshots", "UsedBy"],
};

const LXDS: Columns = Columns {
    titles: &[
        ("Type", "TYPE"),
        ("Name", "NAME"),
        ("Description", "DESCRIPTION"),
        ("ContentType", "CONTENT-TYPE"),
        ("UsedBy", "USED BY"),
    ],
    shown: &["Type", "Name", "Description", "ContentType", "UsedBy"],
};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    r#type: &'static str,
    content_type: &'static str,
    name: String,
    description: String,
    size: String,
    snapshots: usize,
    used_by: usize,
}

fn list(engine: &Engine, args: &VolumeList) -> Result<()> {
    let row = |volume: PoolVolume| Row {
        r#type: "custom",
        content_type: "filesystem",
        size: volume.config.get("size").cloned().unwrap_or_default(),
        snapshots: volume.snapshots.len(),
        used_by: volume.users.len(),
        name: volume.name,
        description: volume.description,
    };
    let rows: Vec<Row> = engine.pool_volumes(&args.pool)?.into_iter().map(row).collect();
    let columns = if Persona::own() == Persona::Lxc { LXDS } else { COLUMNS };
    list::print(columns, &rows, args.format.as_deref())
}

fn shown(volume: &PoolVolume) -> String {
    hull_lxd::yaml::write(&json!({
        "config": volume.config,
        "description": volume.description,
        "name": volume.name,
        "type": "custom",
        "used_by": volume.users,
        "content_type": "filesystem",
        "created_at": humantime::format_rfc3339_seconds(volume.created).to_string(),
    }))
}

fn info(engine: &Engine, args: &VolumeName) -> Result<()> {
    let volume = engine.pool_volume(&args.pool, name(&args.name))?;
    let usage = engine.pool_volume_usage(&args.pool, &volume.name)?;
    output::text(&hull_lxd::yaml::write(&json!({
        "Name": volume.name,
        "Description": volume.description,
        "Type": "custom",
        "Content type": "filesystem",
        "Usage": size::human(usage),
        "Total": volume.config.get("size"),
        "Used by": volume.users,
        "Snapshots": volume.snapshots,
    })))
}
