//! Copying, moving and renaming volumes.

use hull_storage::lock::Lock;
use hull_storage::pools::subvolume;
use hull_storage::tree::copy_tree;

use super::data::{self, Data};
use super::{Place, snapshots};
use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};

impl Engine {
    /// Copies a volume, and with `with_snapshots` its snapshots, too. The source may be a snapshot: `volume/snapshot`.
    pub fn copy_pool_volume(&self, from: (&str, &str), to: (&str, &str), with_snapshots: bool) -> Result<()> {
        let (source, target, _locks) = self.lock_both(from.0, to.0)?;
        self.copy_between((&source, from.1), (&target, to.1), with_snapshots)
    }

    /// Opens the pools of a copy, and locks the volumes of both, in the order of the pools' names, so that two commands
    /// do not wait for each other.
    fn lock_both(&self, from: &str, to: &str) -> Result<(Place, Place, [Option<Lock>; 2])> {
        if from == to {
            let (place, lock) = Place::locked(self, from)?;
            return Ok((Place::open(self, from)?, place, [Some(lock), None]));
        }
        let (first, second) = if from < to { (from, to) } else { (to, from) };
        let (one, other) = (Place::locked(self, first)?, Place::locked(self, second)?);
        let locks = [Some(one.1), Some(other.1)];
        Ok(if from < to { (one.0, other.0, locks) } else { (other.0, one.0, locks) })
    }

    fn copy_between(&self, from: (&Place, &str), to: (&Place, &str), with_snapshots: bool) -> Result<()> {
        let (source, name) = from;
        let (volume, snapshot) = match name.split_once('/') {
            Some((volume, snapshot)) => (volume, Some(snapshot)),
            None => (name, None),
        };
        let found = source.find(volume)?;
        let files = match snapshot {
            Some(snapshot) => snapshots::files(source, volume, snapshot)?,
            None => Data::of(self, source, volume).open(self)?,
        };
        let mut kept = Vec::new();
        if snapshot.is_none() && with_snapshots {
            for name in snapshots::names(source, volume)? {
                kept.push((name.clone(), snapshots::files(source, volume, &name)?));
            }
        }
        self.make_volume(to.0, (to.1, &found.config, &found.description), &kept, |new| {
            // Within one btrfs a snapshot copies no content.
            match subvolume::exists(&files) && to.0.is_here(&files) {
                true => Ok(subvolume::snapshot(&files, new)?),
                false => {
                    if to.0.has_subvolumes {
                        subvolume::create(new)?;
                    }
                    Ok(copy_tree(&files, new)?)
                }
            }
        })
    }

    /// Moves a volume that no container uses. Within its pool it is renamed; for another pool it is copied and then
    /// removed.
    pub fn move_pool_volume(&self, from: (&str, &str), to: (&str, &str)) -> Result<()> {
        if from.0 == to.0 {
            return self.rename_pool_volume(from.0, from.1, to.1);
        }
        let _unused = self.lock_unused()?;
        let (source, target, _locks) = self.lock_both(from.0, to.0)?;
        source.find(from.1)?;
        self.refuse_used(&source, from.1)?;
        self.copy_between((&source, from.1), (&target, to.1), true)?;
        data::remove(self, &source, from.1)
    }

    /// Renames a volume that no container uses.
    pub fn rename_pool_volume(&self, pool: &str, name: &str, new: &str) -> Result<()> {
        let _unused = self.lock_unused()?;
        let (place, _lock) = Place::locked(self, pool)?;
        let mut volume = place.find(name)?;
        self.refuse_used(&place, name)?;
        if !hull_storage::names::is_valid_short(new) {
            return Err(hull_storage::Error::InvalidName { what: "volume", name: new.to_owned() }.into());
        }
        if place.volumes.find(new)?.is_some() {
            return Err(Error::VolumeExists(format!("{pool}/{new}")));
        }
        Data::of(self, &place, name).close(self)?;
        std::fs::rename(place.dir(name), place.dir(new))
            .context(|| format!("rename volume {name} to {new}"))?;
        volume.name = new.to_owned();
        Ok(place.volumes.store(&volume)?)
    }

    /// Renames a snapshot of a volume.
    pub fn rename_volume_snapshot(&self, pool: &str, volume: &str, names: (&str, &str)) -> Result<()> {
        let (place, _lock) = Place::locked(self, pool)?;
        snapshots::files(&place, volume, names.0)?;
        let new = snapshots::path(&place, volume, names.1);
        if !hull_storage::names::is_valid_short(names.1) {
            return Err(
                hull_storage::Error::InvalidName { what: "snapshot", name: names.1.to_owned() }.into()
            );
        }
        if new.exists() {
            return Err(Error::VolumeExists(format!("{pool}/{volume}/{}", names.1)));
        }
        let old = snapshots::path(&place, volume, names.0);
        std::fs::rename(&old, &new).context(|| format!("rename {}", old.display()))
    }
}
