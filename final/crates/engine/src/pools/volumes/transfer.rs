//! Copying, moving and renaming volumes.

use hull_storage::pools::subvolume;
use hull_storage::tree::copy_tree;

use super::data::{self, Data};
use super::{Place, snapshots};
use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};

impl Engine {
    /// Copies a volume, and with `with_snapshots` its snapshots, too. The source may be a snapshot: `volume/snapshot`.
    pub fn copy_pool_volume(&self, from: (&str, &str), to: (&str, &str), with_snapshots: bool) -> Result<()> {
        let source = Place::open(self, from.0)?;
        let target = Place::open(self, to.0)?;
        let _lock = self.lock_volumes(to.0)?;
        self.copy_between((&source, from.1), (&target, to.1), with_snapshots)
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
        self.make_volume(to.0, to.1, &found.config, &found.description, |new| {
            // Within one btrfs a snapshot copies no content.
            match source.pool.name == to.0.pool.name && subvolume::exists(&files) {
                true => Ok(subvolume::snapshot(&files, new)?),
                false => {
                    if to.0.has_subvolumes {
                        subvolume::create(new)?;
                    }
                    Ok(copy_tree(&files, new)?)
                }
            }
        })?;
        if snapshot.is_some() || !with_snapshots {
            return Ok(());
        }
        for kept in snapshots::names(source, volume)? {
            self.keep(to.0, to.1, &snapshots::files(source, volume, &kept)?, &kept)?;
        }
        Ok(())
    }

    /// Moves a volume that no container uses. Within its pool it is renamed; for another pool it is copied and then
    /// removed.
    pub fn move_pool_volume(&self, from: (&str, &str), to: (&str, &str)) -> Result<()> {
        if from.0 == to.0 {
            return self.rename_pool_volume(from.0, from.1, to.1);
        }
        let _unused = self.lock_unused()?;
        let (source, target) = (Place::open(self, from.0)?, Place::open(self, to.0)?);
        source.find(from.1)?;
        self.refuse_used(&source, from.1)?;
        {
            let _lock = self.lock_volumes(to.0)?;
            self.copy_between((&source, from.1), (&target, to.1), true)?;
        }
        let _lock = self.lock_volumes(from.0)?;
        data::remove(self, &source, from.1)
    }

    /// Renames a volume that no container uses.
    pub fn rename_pool_volume(&self, pool: &str, name: &str, new: &str) -> Result<()> {
        let _unused = self.lock_unused()?;
        let place = Place::open(self, pool)?;
        let _lock = self.lock_volumes(pool)?;
        let mut volume = place.find(name)?;
        self.refuse_used(&place, name)?;
        if !hull_storage::names::is_valid(new) {
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
        let place = Place::open(self, pool)?;
        let _lock = self.lock_volumes(pool)?;
        snapshots::files(&place, volume, names.0)?;
        let new = snapshots::path(&place, volume, names.1);
        if !hull_storage::names::is_valid_pool(names.1) {
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
