//! `snapshot`, `restore` and `snapshots`.

use std::time::SystemTime;

use anyhow::{Context, Result, anyhow, bail};
use hull_docker::time;
use hull_engine::{
    BackupOptions, Engine, Expiry, InstanceCopy, InstanceSnapshot, SnapshotName, SnapshotOptions, Timestamp,
};
use hull_lxd::schedule;
use serde::Serialize;

use super::instances::moment;
use super::systemd::snapshot_timer;
use super::transfer::{self, Place};
use super::{each, inspect, instance_flags, open};
use crate::cli::Global;
use crate::cli::snapshot::{Copy, Delete, Info, List, Move, Rename, Restore, Snapshot, Snapshots, Verb};
use crate::ui::errors::Hint;
use crate::ui::list::{self, Columns};
use crate::ui::output;

const COLUMNS: Columns = Columns {
    titles: &[
        ("Container", "CONTAINER"),
        ("Name", "SNAPSHOT"),
        ("Taken", "TAKEN AT"),
        ("Expires", "EXPIRES AT"),
        ("TakenAt", "TAKEN AT"),
        ("ExpiresAt", "EXPIRES AT"),
        ("Scheduled", "SCHEDULED"),
    ],
    shown: &["Container", "Name", "Taken", "Expires"],
};

/// A snapshot, as a list and `info` show it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    container: String,
    name: String,
    taken_at: String,
    /// Empty for a snapshot that is kept for ever.
    expires_at: String,
    scheduled: bool,
}

/// A row of the list, whose table has the times without seconds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    #[serde(flatten)]
    row: Row,
    taken: String,
    expires: String,
}

/// All that `info` shows.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Details {
    #[serde(flatten)]
    row: Row,
    image: String,
    /// Bytes in the files that the container had changed.
    size: u64,
    config: std::collections::BTreeMap<String, String>,
    devices: std::collections::BTreeMap<String, std::collections::BTreeMap<String, String>>,
    profiles: Vec<String>,
}

pub fn verb(engine: &Engine, verb: &Verb) -> Result<u8> {
    match verb {
        Verb::Snapshot(args) => take(engine, args),
        Verb::Restore(args) => restore(engine, args),
        Verb::Copy(args) => copy(engine, args),
        Verb::Move(args) => relocate(engine, args),
    }
}

pub fn run(global: &Global, verb: &Snapshots) -> Result<u8> {
    match verb {
        Snapshots::Enable(args) => return snapshot_timer::enable(global, args),
        Snapshots::Disable(_) => return snapshot_timer::disable(),
        Snapshots::Status(_) => return snapshot_timer::status(),
        _ => {}
    }
    let engine = &open(global)?;
    match verb {
        Snapshots::List(args) => list(engine, args),
        Snapshots::Info(args) => info(engine, args),
        Snapshots::Rename(args) => rename(engine, args),
        Snapshots::Delete(args) => delete(engine, args),
        Snapshots::Run(_) => run_schedules(engine),
        Snapshots::Enable(_) | Snapshots::Disable(_) | Snapshots::Status(_) => Ok(0),
    }
}

fn take(engine: &Engine, args: &Snapshot) -> Result<u8> {
    let expiry = match &args.expiry {
        None if args.no_expiry => Expiry::Never,
        None => Expiry::Configured,
        Some(text) => Expiry::At(expiry(text)?),
    };
    let options = SnapshotOptions { name: args.name.clone(), reuse: args.reuse, expiry, scheduled: false };
    output::own(engine.snapshot(&args.container, &options)?)?;
    Ok(0)
}

/// Reads the value of `--expiry`: a time from now, or a date.
fn expiry(text: &str) -> Result<Timestamp> {
    if let Ok(parts) = schedule::expiry(text) {
        let why = if parts.is_empty() { "is empty" } else { "is after the year 9999" };
        return Timestamp::now().after(&parts).with_context(|| format!("--expiry {text:?} {why}"));
    }
    let parsed = time::parse(text, SystemTime::now());
    let why = "it is neither a time from now, such as 1w 2d, nor a date";
    parsed.map(Timestamp).map_err(|_| anyhow!("invalid --expiry {text:?}: {why}"))
}

fn restore(engine: &Engine, args: &Restore) -> Result<u8> {
    engine.restore(&args.container, &args.name)?;
    Ok(0)
}

fn run_schedules(engine: &Engine) -> Result<u8> {
    let run = engine.run_schedules()?;
    for name in &run.taken {
        output::line(format!("taken {name}"))?;
    }
    for name in &run.removed {
        output::line(format!("removed {name}"))?;
    }
    Ok(super::report_unpruned(run.errors))
}

fn copy(engine: &Engine, args: &Copy) -> Result<u8> {
    let place = Place::of(&args.target, args.target_root.as_deref(), args.target_runroot.as_deref())?;
    if let Some(place) = place {
        if args.refresh || args.ephemeral {
            bail!("--refresh and --ephemeral are for copies in the same root");
        }
        let options = BackupOptions { instance_only: args.instance_only, is_copy: true };
        return transfer::send(engine, &args.source, options, (&place, &args.flags));
    }
    if args.refresh && engine.exists(&args.target)? {
        output::own(engine.refresh_copy(&args.source, &args.target, args.instance_only)?.id)?;
        return Ok(0);
    }
    let options = InstanceCopy {
        instance_only: args.instance_only,
        ephemeral: args.ephemeral,
        pool: args.flags.storage.clone(),
        changes: instance_flags::changes(&args.flags)?,
    };
    output::own(engine.copy_container(&args.source, &args.target, &options)?.id)?;
    Ok(0)
}

fn relocate(engine: &Engine, args: &Move) -> Result<u8> {
    let target = args.target.as_deref().unwrap_or(&args.source);
    if let Some(snapshot) = SnapshotName::parse(&args.source) {
        return rename_snapshot(engine, &snapshot, target);
    }
    let place = Place::of(target, args.target_root.as_deref(), args.target_runroot.as_deref())?;
    if let Some(place) = place {
        return transfer::relocate(engine, args, &place);
    }
    if args.instance_only {
        bail!(
            "--instance-only is for a move to another root or machine: here the container keeps its snapshots"
        );
    }
    let changes = instance_flags::changes(&args.flags)?;
    match &args.flags.storage {
        Some(pool) => engine.move_to_pool(&args.source, pool, &changes)?,
        None => engine.change_instance(&args.source, &changes)?,
    }
    if target != args.source {
        engine.rename(&args.source, target)?;
    }
    Ok(0)
}

fn row(container: &str, snapshot: &InstanceSnapshot) -> Row {
    let shown = |time: Timestamp| time::print(time.0);
    Row {
        container: container.to_owned(),
        name: snapshot.name.clone(),
        taken_at: shown(snapshot.created),
        expires_at: snapshot.expires.map(shown).unwrap_or_default(),
        scheduled: snapshot.scheduled,
    }
}

fn list(engine: &Engine, args: &List) -> Result<u8> {
    let containers = match args.containers.is_empty() {
        true => engine.list()?.into_iter().map(|one| one.name).rev().collect(),
        false => args.containers.clone(),
    };
    let mut rows = Vec::new();
    for container in containers {
        rows.extend(engine.snapshots(&container)?.iter().map(|snapshot| Listed {
            row: row(&container, snapshot),
            taken: moment(snapshot.created.0),
            expires: snapshot.expires.map(|time| moment(time.0)).unwrap_or_default(),
        }));
    }
    list::print(COLUMNS, &rows, args.format.as_deref())?;
    Ok(0)
}

fn info(engine: &Engine, args: &Info) -> Result<u8> {
    inspect::show(std::slice::from_ref(&args.name), args.format.as_deref(), |name| {
        let name = parse(name)?;
        let (snapshot, size) = engine.snapshot_info(&name)?;
        let instance = snapshot.record.instance.clone();
        Ok(Details {
            row: row(&name.container, &snapshot),
            image: snapshot.record.options.image.clone(),
            size,
            config: instance.config,
            devices: instance.devices,
            profiles: instance.profiles,
        })
    })
}

fn rename(engine: &Engine, args: &Rename) -> Result<u8> {
    rename_snapshot(engine, &parse(&args.name)?, &args.new)
}

/// The new name may be written with the container's, as LXD has it.
pub fn rename_snapshot(engine: &Engine, name: &SnapshotName, new: &str) -> Result<u8> {
    let new = match SnapshotName::parse(new) {
        Some(new) if new.container == name.container => new.snapshot,
        Some(_) => bail!("cannot rename {name} to {new}: a snapshot stays with its container"),
        None => new.to_owned(),
    };
    engine.rename_snapshot(name, &new)?;
    Ok(0)
}

fn delete(engine: &Engine, args: &Delete) -> Result<u8> {
    each(&args.names, |name| {
        engine.remove_snapshot(&parse(name)?)?;
        Ok(Some(name.into()))
    })
}

fn parse(name: &str) -> Result<SnapshotName> {
    SnapshotName::parse(name).ok_or_else(|| {
        anyhow!("invalid name {name:?}: a snapshot's name is CONTAINER/SNAPSHOT")
            .context(Hint("hull snapshots list shows all of them".into()))
    })
}
