//! A change of a profile, until all containers have it.
//!
//! The change is noted, the profile is written, and then the change is put in force in each container that uses the
//! profile. A command that finds the note first completes the change. If one container cannot have the change, no
//! container gets it.

use hull_storage::{file, names};
use serde::{Deserialize, Serialize};

use super::apply::{Applied, apply};
use super::profiles::{Lock, Profile};
use crate::engine::Engine;
use crate::error::{Error, Errors, Result};
use crate::records::record::Record;

/// The note about a change that has begun.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Pending {
    /// The profile has been written, or is about to be.
    Changed { name: String, before: Profile },
    /// The profile has a new name, or is about to get it.
    Renamed { name: String, new: String },
}

/// The lock of a command that changes a container. A change of a profile that was killed is completed first.
pub(super) fn shared(engine: &Engine) -> Result<Lock<'_>> {
    loop {
        let held = Lock::take_shared(engine)?;
        if !held.directory().join("pending").exists() {
            return Ok(held);
        }
        drop(held);
        exclusive(engine)?;
    }
}

/// The lock of a command that changes profiles. A change that was killed is completed first.
pub(super) fn exclusive(engine: &Engine) -> Result<Lock<'_>> {
    let held = Lock::take_exclusive(engine)?;
    settle(&held)?;
    Ok(held)
}

fn note(lock: &Lock<'_>, pending: &Pending) -> Result<()> {
    Ok(file::write_json_atomic(&lock.directory().join("pending"), pending)?)
}

fn forget(lock: &Lock<'_>) -> Result<()> {
    Ok(file::remove(&lock.directory().join("pending"))?)
}

/// Completes a change that was killed. Nobody waits for its outcome any more, so a container that cannot take part in it
/// stops no other one: commands that use this container report what is wrong with it.
fn settle(lock: &Lock<'_>) -> Result<()> {
    let path = lock.directory().join("pending");
    match file::read_json::<Pending>(&path) {
        Ok(None) => Ok(()),
        Ok(Some(Pending::Changed { name, before })) => carry_through(lock, &name, &before).map(drop),
        Ok(Some(Pending::Renamed { name, new })) => carry_rename_through(lock, &name, &new).map(drop),
        // hull writes the note atomically, so somebody else has damaged it. The profiles are not affected: they are put
        // in force in all containers.
        Err(hull_storage::Error::Damaged { .. }) => {
            put_in_force(lock, |_| true)?;
            forget(lock)
        }
        Err(error) => Err(error.into()),
    }
}

/// Replaces a profile, in all containers or in none.
pub(super) fn change(lock: &Lock<'_>, name: &str, before: &Profile, after: &Profile) -> Result<Vec<Applied>> {
    note(lock, &Pending::Changed { name: name.into(), before: before.clone() })?;
    match lock.put(name, after) {
        Ok(()) => carry_through(lock, name, before),
        Err(error) => Err(error.with_undo(forget(lock))),
    }
}

fn carry_through(lock: &Lock<'_>, name: &str, before: &Profile) -> Result<Vec<Applied>> {
    let uses = |record: &Record| record.instance.profiles.iter().any(|one| one == name);
    let error = match put_in_force(lock, uses) {
        Ok(applied) => return forget(lock).map(|()| applied),
        Err(error) => error,
    };
    let mut undone = Errors::default();
    undone.note(lock.put(name, before));
    undone.note(put_in_force(lock, uses).map(drop));
    undone.note(forget(lock));
    Err(error.with_undo(undone.into_result()))
}

/// Gives a profile another name, in all containers. Returns the containers that keep the old name, because they are
/// damaged. The profile stays under its old name for them.
pub(super) fn rename(lock: &Lock<'_>, name: &str, new: &str) -> Result<Vec<Applied>> {
    note(lock, &Pending::Renamed { name: name.into(), new: new.into() })?;
    carry_rename_through(lock, name, new)
}

fn carry_rename_through(lock: &Lock<'_>, name: &str, new: &str) -> Result<Vec<Applied>> {
    match lock.find(name) {
        Ok(None) => {}
        Ok(Some(profile)) => lock.put(new, &profile)?,
        // Somebody has damaged the profile since. Without its content there is nothing to rename.
        Err(error @ Error::DamagedProfile { .. }) => return forget(lock).and(Err(error)),
        Err(error) => return Err(error),
    }
    let mut left = Vec::new();
    for id in lock.engine.ids()? {
        match rename_in(lock.engine, &id, name, new) {
            Ok(()) | Err(Error::NoSuchContainer(_)) => {}
            Err(error) => left.push(damaged(lock.engine, &id, error)),
        }
    }
    if left.is_empty() {
        lock.remove(name)?;
    }
    forget(lock).map(|()| left)
}

/// Replaces the name of a profile in the record of a container. The settings in force stay the same.
fn rename_in(engine: &Engine, id: &str, name: &str, new: &str) -> Result<()> {
    let _lock = engine.lock(id)?;
    let mut record = Record::load(engine.root(), id)?;
    if record.instance.profiles.iter().all(|one| one != name) {
        return Ok(());
    }
    for one in record.instance.profiles.iter_mut().filter(|one| *one == name) {
        new.clone_into(one);
    }
    record.store(&engine.root().container_dir(id))
}

/// Gives containers what their profiles say.
fn put_in_force(lock: &Lock<'_>, uses: impl Fn(&Record) -> bool) -> Result<Vec<Applied>> {
    let mut all = Vec::new();
    for id in lock.engine.ids()? {
        let record = match Record::load(lock.engine.root(), &id) {
            Ok(record) if uses(&record) => record,
            Ok(_) | Err(Error::NoSuchContainer(_)) => continue,
            // Nobody can tell whether it uses the profile.
            Err(error) => {
                all.push(damaged(lock.engine, &id, error));
                continue;
            }
        };
        let name = record.name.clone();
        match apply(lock.engine, lock, &id, |_| Ok(())) {
            Ok(applied) => all.push(applied),
            // It was removed or damaged after it was read.
            Err(Error::NoSuchContainer(_)) => {}
            Err(error @ Error::DamagedRecord { .. }) => all.push(damaged(lock.engine, &id, error)),
            Err(error) => return Err(Error::InContainer { name, source: Box::new(error) }),
        }
    }
    Ok(all)
}

/// What is said about a container that a change of all containers passes over.
fn damaged(engine: &Engine, id: &str, error: Error) -> Applied {
    let names = names::of_container(engine.root(), id).unwrap_or_default();
    let container = names.into_iter().next().unwrap_or_else(|| id.to_owned());
    let why = error.for_container(&container).to_string();
    Applied { container, left_out: Some(why), ..Applied::default() }
}
