//! A change of a profile, until all containers have it.
//!
//! The change is noted, the profile is written, and then the change is put in force in each container that uses the
//! profile. A command that finds the note first completes the change. If one container cannot have the change, no
//! container gets it.

use hull_storage::file;
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

/// Completes a change that was killed.
fn settle(lock: &Lock<'_>) -> Result<()> {
    let path = lock.directory().join("pending");
    match file::read_json::<Pending>(&path) {
        Ok(None) => Ok(()),
        Ok(Some(Pending::Changed { name, before })) => carry_through(lock, &name, &before).map(drop),
        Ok(Some(Pending::Renamed { name, new })) => carry_rename_through(lock, &name, &new),
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

/// Gives a profile another name, in all containers.
pub(super) fn rename(lock: &Lock<'_>, name: &str, new: &str) -> Result<()> {
    note(lock, &Pending::Renamed { name: name.into(), new: new.into() })?;
    carry_rename_through(lock, name, new)
}

fn carry_rename_through(lock: &Lock<'_>, name: &str, new: &str) -> Result<()> {
    if let Some(profile) = lock.find(name)? {
        lock.put(new, &profile)?;
    }
    for id in lock.engine.ids()? {
        let named = apply(lock.engine, lock, &id, |instance| {
            for one in instance.profiles.iter_mut().filter(|one| *one == name) {
                new.clone_into(one);
            }
            Ok(())
        });
        unless_lost(named)?;
    }
    lock.remove(name)?;
    forget(lock)
}

/// Gives containers what their profiles say.
fn put_in_force(lock: &Lock<'_>, uses: impl Fn(&Record) -> bool) -> Result<Vec<Applied>> {
    let mut all = Vec::new();
    for id in lock.engine.ids()? {
        let Some(record) = unless_lost(Record::load(lock.engine.root(), &id))? else { continue };
        if !uses(&record) {
            continue;
        }
        let applied = apply(lock.engine, lock, &id, |_| Ok(()));
        let applied = unless_lost(applied);
        let name = record.name.clone();
        all.extend(applied.map_err(|source| Error::InContainer { name, source: Box::new(source) })?);
    }
    Ok(all)
}

fn unless_lost<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if Error::is_of_lost_container(&error) => Ok(None),
        Err(error) => Err(error),
    }
}
