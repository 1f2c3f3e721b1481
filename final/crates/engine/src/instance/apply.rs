//! Putting another configuration in force, in a container that may run.

use crate::engine::Engine;
use crate::error::Result;
use crate::events::Event;
use crate::gc::limits;
use crate::new_volumes::NewVolumes;
use crate::pools::resize::Resize;
use crate::records::instance::Instance;
use crate::records::mount_extras::MountExtras;
use crate::records::record::{MountKind, MountRecord, Record};
use crate::records::snapshot::Snapshot;

use super::devices::{self, effects::Effects};
use super::difference::Change;
use super::profiles::Lock;
use super::{identity, keys, security};

/// The result of a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// The container's name.
    pub container: String,
    /// The keys and devices that the running container gets at its next start.
    pub need_restart: Vec<String>,
    /// Why the container was left out of a change of all containers: it is damaged.
    pub left_out: Option<String>,
}

/// Applies an edit of a container's settings: all that follows from it is done, or nothing. An edit that changes
/// nothing gives the container what its profiles say now.
pub(super) fn apply(
    engine: &Engine,
    profiles: &Lock<'_>,
    id: &str,
    edit: impl FnOnce(&mut Instance) -> Result<()>,
) -> Result<Applied> {
    engine.clear_if_dead_by_id(id, Snapshot::take(engine.root(), id)?)?;
    // A volume that a device asks for must not be removed before the record names it.
    let _uses = engine.lock_in_use()?;
    let _lock = engine.lock(id)?;
    let before = Record::load(engine.root(), id)?;
    limits::settle(engine, &before)?;
    devices::change::settle(engine, &before)?;
    let mut record = before.clone();
    edit(&mut record.instance)?;
    keys::check(&record.instance.own())?;
    record.instance.expanded = profiles.expand(&record.instance)?;
    if record.instance == before.instance {
        return Ok(Applied { container: record.name, ..Applied::default() });
    }
    let change = Change { before: &before.instance.expanded.config, after: &record.instance.expanded.config };
    let mut need_restart = change.need_restart();
    keys::put(engine, Some(id), change.before, change.after, &mut record.options)?;
    let is_system = record.options.system;
    if identity::isolates(change.before, change.after, is_system) {
        need_restart.push(identity::ISOLATED.into());
    }
    if identity::differs(change.before, change.after, is_system) {
        // The container gets other ids at its next start. Until then it keeps its ids and the rights that go with them.
        identity::replace(change.after, &mut record.options.clone())?;
        record.instance.has_outdated_ids = true;
    }
    mount_nested(engine, &mut record)?;
    let effects = Effects::plan(engine, &record, &before.instance.expanded)?;
    let resize = engine.plan_root_disk(&before, &mut record)?;
    effects.put(&mut record);
    let mut volumes = NewVolumes::of_change(id);
    let done = volumes
        .make_missing(engine, &before, &record)
        .and_then(|()| put_in_force(engine, &before, &mut record, &effects, resize));
    need_restart.extend(done.map_err(|error| error.with_undo(volumes.undo(engine)))?);
    Event::container(&record, "update").emit(engine);
    let runs = Snapshot::take(engine.root(), id)?.status.is_active();
    let need_restart = if runs { need_restart } else { vec![] };
    Ok(Applied { container: record.name, need_restart, left_out: None })
}

/// Stores the record, and changes the container if it runs. Returns the devices that need a restart. If a step fails,
/// those before it are undone. The size of the root is changed last, because an image file cannot shrink again.
fn put_in_force(
    engine: &Engine,
    before: &Record,
    record: &mut Record,
    effects: &Effects,
    resize: Option<Resize>,
) -> Result<devices::change::NeedRestart> {
    let limits = engine.change_limits(record, &before.options.resources)?;
    let stored = devices::change::apply(engine, before, record, effects);
    let done = stored.and_then(|need_restart| {
        let Err(error) = resize.map_or(Ok(()), |resize| resize.carry_out(engine, record)) else {
            return Ok(need_restart);
        };
        let old = Effects::of(before);
        let undone = devices::change::apply(engine, record, &mut before.clone(), &old);
        Err(error.with_undo(undone.map(drop)))
    });
    match (limits, done) {
        (Some(limits), Ok(need_restart)) => limits.finish().map(|()| need_restart),
        (Some(limits), Err(error)) => Err(error.with_undo(limits.undo())),
        (None, done) => done,
    }
}

/// Adds the volumes of `security.nesting` that the options name and the record lacks. The caller makes them. They are
/// removed with the container.
pub(super) fn mount_nested(engine: &Engine, record: &mut Record) -> Result<()> {
    for path in security::NESTED.map(std::path::Path::new) {
        let is_asked = record.options.mounts.iter().any(|mount| mount.target() == path);
        if !is_asked || record.mounts.iter().any(|mount| mount.destination == path) {
            continue;
        }
        let name = crate::records::ids::random_id()?;
        record.mounts.push(MountRecord {
            kind: MountKind::Volume,
            source: engine.volumes().data_dir(&name)?,
            name: Some(name),
            destination: path.to_owned(),
            read_only: false,
            copy_up: true,
            anonymous: true,
            options: vec![],
            extras: MountExtras::default(),
        });
    }
    Ok(())
}
