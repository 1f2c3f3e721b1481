//! Volumes of pools, with LXD's verbs. The volumes of the default pool are docker's volumes.
//!
//! ```text
//! mod   create, list, delete, set      snapshots  snapshot, restore      transfer  copy, move, rename
//! data  where a volume's files are: a directory, a subvolume, an image with a size
//! ```
//!
//! ```text
//! <pool>/volumes/<name>/volume.json _data   as with docker's volumes
//!                       data.img            instead of _data: a volume with a size in a pool without subvolumes
//!                       snapshots/<name>    a copy of the files; on btrfs a snapshot
//! ```

mod data;
mod snapshots;
mod transfer;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hull_storage::directory::make_dirs;
use hull_storage::lock::Lock;
use hull_storage::pools::subvolume;
use hull_storage::volumes::{Volume, Volumes};

use data::Data;
pub(crate) use data::ensure_sources;

use super::keys::{invalid, parse_size};
use super::record::{self, Pool};
use super::{mount, place};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events::Event;
use crate::records::record::Record;

/// A volume as `storage volume show` and `info` show it.
#[derive(Debug, Clone)]
pub struct PoolVolume {
    pub pool: String,
    pub name: String,
    pub description: String,
    pub config: BTreeMap<String, String>,
    pub created: std::time::SystemTime,
    /// The names of the containers that use it.
    pub users: Vec<String>,
    /// The names of its snapshots, the oldest first.
    pub snapshots: Vec<String>,
}

/// A pool that is open, and its volumes.
struct Place {
    pool: Pool,
    volumes: Volumes,
    directory: PathBuf,
    has_subvolumes: bool,
}

impl Place {
    /// Opens a pool whose volumes are to be changed. Until the lock is dropped, no other command changes them, or removes
    /// the pool.
    fn locked(engine: &Engine, pool: &str) -> Result<(Self, Lock)> {
        // The name becomes that of the lock's file.
        record::find(engine.root(), pool)?;
        let lock = engine.lock_volumes(pool)?;
        Ok((Self::open(engine, pool)?, lock))
    }

    fn open(engine: &Engine, pool: &str) -> Result<Self> {
        let pool = record::find(engine.root(), pool)?;
        let dir = mount::open_pool(engine.root(), &pool)?;
        let directory = match pool.is_default() {
            true => engine.root().volumes_dir(),
            false => dir.volumes(),
        };
        let has_subvolumes = place::has_subvolumes(&pool);
        Ok(Self { volumes: Volumes::at(directory.clone()), has_subvolumes, directory, pool })
    }

    fn find(&self, name: &str) -> Result<Volume> {
        let missing = || Error::NoSuchPoolVolume { pool: self.pool.name.clone(), volume: name.to_owned() };
        self.volumes.find(name)?.ok_or_else(missing)
    }

    fn dir(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Whether files are those of a volume or a snapshot of this pool. Only within one btrfs is a copy a snapshot.
    fn is_here(&self, files: &Path) -> bool {
        self.has_subvolumes && files.starts_with(&self.directory)
    }
}

impl Engine {
    /// Makes a volume in a pool.
    pub fn create_pool_volume(
        &self,
        pool: &str,
        name: &str,
        config: &BTreeMap<String, String>,
    ) -> Result<()> {
        let (place, _lock) = Place::locked(self, pool)?;
        self.make_volume(&place, (name, config, ""), &[], |_| Ok(()))
    }

    /// Makes a volume. `fill` puts the first files into its directory before it appears under its name.
    pub(crate) fn create_pool_volume_with(
        &self,
        pool: &str,
        name: &str,
        fill: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<()> {
        let (place, _lock) = Place::locked(self, pool)?;
        self.make_volume(&place, (name, &BTreeMap::new(), ""), &[], |new| {
            data::make_directory(&place, new)?;
            fill(new)
        })
    }

    /// Makes a volume of this name, configuration and description, with snapshots: their names and files. `fill` puts the
    /// first files into it before it appears under its name.
    fn make_volume(
        &self,
        place: &Place,
        (name, config, description): (&str, &BTreeMap<String, String>, &str),
        kept: &[(String, PathBuf)],
        fill: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<()> {
        check_config(place, config)?;
        if place.volumes.find(name)?.is_some() {
            return Err(Error::VolumeExists(format!("{}/{name}", place.pool.name)));
        }
        let size = config.get("size").map(|size| parse_size(size)).transpose()?;
        let published = place.volumes.create_with::<Error>(name, config, description, |staged| {
            data::make(self, place, staged, size, fill)?;
            let directory = staged.join("snapshots");
            if !kept.is_empty() {
                make_dirs(&directory, 0o711)?;
            }
            kept.iter().try_for_each(|(name, files)| snapshots::keep(place, files, &directory.join(name)))
        });
        let published = published.map_err(|error| error.in_pool(&place.pool.name))?;
        match published {
            true => {
                Event::volume(name, "create").emit(self);
                Ok(())
            }
            false => Err(Error::VolumeExists(format!("{}/{name}", place.pool.name))),
        }
    }

    /// The volumes of a pool, sorted by name.
    pub fn pool_volumes(&self, pool: &str) -> Result<Vec<PoolVolume>> {
        let place = Place::open(self, pool)?;
        place.volumes.list()?.into_iter().map(|volume| self.describe(&place, volume)).collect()
    }

    pub fn pool_volume(&self, pool: &str, name: &str) -> Result<PoolVolume> {
        let place = Place::open(self, pool)?;
        let volume = place.find(name)?;
        self.describe(&place, volume)
    }

    fn describe(&self, place: &Place, volume: Volume) -> Result<PoolVolume> {
        Ok(PoolVolume {
            pool: place.pool.name.clone(),
            created: volume.created(),
            users: self.users_of(place, &volume.name)?,
            snapshots: snapshots::names(place, &volume.name)?,
            name: volume.name,
            description: volume.description,
            config: volume.config,
        })
    }

    /// The bytes that a volume's files take on the disk.
    pub fn pool_volume_usage(&self, pool: &str, name: &str) -> Result<u64> {
        let place = Place::open(self, pool)?;
        place.find(name)?;
        Ok(hull_storage::tree::disk_usage(&Data::of(self, &place, name).open(self)?)?)
    }

    /// The directory with a volume's files, for a container's mount.
    pub fn pool_volume_source(&self, pool: &str, name: &str) -> Result<PathBuf> {
        let place = Place::open(self, pool)?;
        place.find(name)?;
        Data::of(self, &place, name).open(self)
    }

    /// Removes a volume that no container uses, with its snapshots.
    pub fn delete_pool_volume(&self, pool: &str, name: &str) -> Result<()> {
        if pool == record::DEFAULT {
            return self.remove_volume(name);
        }
        let _unused = self.lock_unused()?;
        let (place, _lock) = Place::locked(self, pool)?;
        place.find(name)?;
        self.refuse_used(&place, name)?;
        data::remove(self, &place, name)?;
        Event::volume(name, "destroy").emit(self);
        Ok(())
    }

    /// Sets keys of a volume. An empty value unsets its key.
    pub fn set_pool_volume(&self, pool: &str, name: &str, changes: &BTreeMap<String, String>) -> Result<()> {
        let (place, _lock) = Place::locked(self, pool)?;
        let mut volume = place.find(name)?;
        for (key, value) in changes {
            match value.is_empty() {
                true => drop(volume.config.remove(key)),
                false => drop(volume.config.insert(key.clone(), value.clone())),
            }
        }
        check_config(&place, &volume.config)?;
        if changes.contains_key("size") {
            let size = volume.config.get("size").map(|size| parse_size(size)).transpose()?;
            Data::of(self, &place, name).resize(self, size)?;
        }
        Ok(place.volumes.store(&volume)?)
    }

    /// The names of the containers that mount a volume, whether they run or not.
    fn users_of(&self, place: &Place, name: &str) -> Result<Vec<String>> {
        let path = Data::of(self, place, name).path().to_owned();
        let mut users = Vec::new();
        for id in self.ids()? {
            match Record::load(self.root(), &id) {
                Ok(record) if record.mounts.iter().any(|mount| mount.source == path) => {
                    users.push(record.name)
                }
                // A container that is being removed uses nothing.
                Ok(_) | Err(Error::NoSuchContainer(_)) => {}
                Err(error) => return Err(error.keeps_volumes()),
            }
        }
        Ok(users)
    }

    fn refuse_used(&self, place: &Place, name: &str) -> Result<()> {
        let users = self.users_of(place, name)?;
        match users.is_empty() {
            true => Ok(()),
            false => {
                Err(hull_storage::Error::VolumeInUse { name: format!("{}/{name}", place.pool.name), users }
                    .into())
            }
        }
    }

    /// The lock under which the volumes of a pool change. The pool exists.
    pub(super) fn lock_volumes(&self, pool: &str) -> Result<Lock> {
        let path = record::own_source(self.root(), pool)?;
        Ok(Lock::exclusive_within(&path.with_file_name(format!("{pool}.lock")), None)?)
    }
}

fn check_config(place: &Place, config: &BTreeMap<String, String>) -> Result<()> {
    for (key, value) in config {
        match key.as_str() {
            "size" if place.pool.is_default() => {
                return Err(invalid("size", "the volumes of the pool default are docker's, which have none"));
            }
            "size" => drop(parse_size(value)?),
            _ if key.starts_with("user.") => {}
            _ => {
                let error = hull_lxd::Error::unknown("key of a volume", key, ["size"]);
                return Err(Error::Invalid { what: "configuration".into(), why: error.to_string() });
            }
        }
    }
    Ok(())
}

/// Limits a subvolume if there is a size.
fn limited(path: &Path, size: Option<u64>) -> Result<()> {
    match size {
        Some(bytes) => Ok(subvolume::limit(path, Some(bytes))?),
        None => Ok(()),
    }
}
