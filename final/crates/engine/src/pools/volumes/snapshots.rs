//! Snapshots of volumes. On btrfs they are snapshots of the kernel. On other file systems they are copies, which share
//! blocks where the file system can.

use std::path::{Path, PathBuf};

use hull_storage::directory::{make_dirs, names_in};
use hull_storage::pools::subvolume;
use hull_storage::staging::{self, Staging};
use hull_storage::tree::copy_tree;

use super::data::Data;
use super::{Place, limited};
use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::pools::keys::parse_size;

fn directory(place: &Place, volume: &str) -> PathBuf {
    place.dir(volume).join("snapshots")
}

pub(super) fn path(place: &Place, volume: &str, snapshot: &str) -> PathBuf {
    directory(place, volume).join(snapshot)
}

/// The snapshots of a volume, the oldest first.
pub(super) fn names(place: &Place, volume: &str) -> Result<Vec<String>> {
    let directory = directory(place, volume);
    if !directory.exists() {
        return Ok(vec![]);
    }
    let made = |name: &String| {
        std::fs::metadata(directory.join(name).join("made")).and_then(|meta| meta.modified()).ok()
    };
    let mut names: Vec<String> =
        names_in(&directory)?.into_iter().filter(|name| hull_storage::names::is_valid_short(name)).collect();
    names.sort_by_key(|name| (made(name), name.clone()));
    Ok(names)
}

/// The files of a snapshot.
pub(super) fn files(place: &Place, volume: &str, snapshot: &str) -> Result<PathBuf> {
    let files = path(place, volume, snapshot).join("files");
    match hull_storage::names::is_valid_short(snapshot) && files.is_dir() {
        true => Ok(files),
        false => {
            let (pool, volume) = (place.pool.name.clone(), format!("{volume}/{snapshot}"));
            Err(Error::NoSuchPoolVolume { pool, volume })
        }
    }
}

/// Makes a snapshot with the files of a tree, in a new directory.
pub(super) fn keep(place: &Place, source: &Path, directory: &Path) -> Result<()> {
    make_dirs(directory, 0o710)?;
    let files = directory.join("files");
    match subvolume::exists(source) && place.is_here(source) {
        true => subvolume::snapshot(source, &files)?,
        false if place.has_subvolumes => {
            subvolume::create(&files)?;
            copy_tree(source, &files)?;
        }
        false => copy_tree(source, &files)?,
    }
    let mark = directory.join("made");
    std::fs::write(&mark, "").context(|| format!("write {}", mark.display()))
}

impl Engine {
    /// Takes a snapshot of a volume and returns its name.
    pub fn snapshot_pool_volume(&self, pool: &str, volume: &str, asked: Option<&str>) -> Result<String> {
        let (place, _lock) = Place::locked(self, pool)?;
        place.find(volume)?;
        let taken = names(&place, volume)?;
        let free = || (0..).map(|number| format!("snap{number}")).find(|name| !taken.contains(name));
        let name = match asked {
            Some(name) => name.to_owned(),
            None => free().unwrap_or_default(),
        };
        if !hull_storage::names::is_valid_short(&name) {
            return Err(hull_storage::Error::InvalidName { what: "snapshot", name }.into());
        }
        if taken.contains(&name) {
            return Err(Error::VolumeExists(format!("{pool}/{volume}/{name}")));
        }
        let files = Data::of(self, &place, volume).open(self)?;
        make_dirs(&directory(&place, volume), 0o711)?;
        // Beside the volumes, where a listing collects what a killed command has left.
        let staged = Staging::new(&place.directory)?;
        keep(&place, &files, staged.path()).map_err(|error| error.in_pool(pool))?;
        staged.publish(&path(&place, volume, &name))?;
        Ok(name)
    }

    /// Gives a volume the files of its snapshot. A running container must not use the volume.
    pub fn restore_pool_volume(&self, pool: &str, volume: &str, snapshot: &str) -> Result<()> {
        let _unused = self.lock_unused()?;
        let (place, _lock) = Place::locked(self, pool)?;
        let found = place.find(volume)?;
        let files = files(&place, volume, snapshot)?;
        self.refuse_running(&place, volume)?;
        let data = Data::of(self, &place, volume);
        if let Data::Image { image, .. } = &data {
            return self.restore_image(&place, &found, image, &files);
        }
        let staged = Staging::new(&place.directory)?;
        let new = staged.path().join("_data");
        match &data {
            Data::Subvolume(_) => {
                subvolume::snapshot(&files, &new)?;
                limited(&new, found.config.get("size").map(|size| parse_size(size)).transpose()?)?;
            }
            Data::Directory(_) | Data::Image { .. } => {
                copy_tree(&files, &new).map_err(|error| Error::from(error).in_pool(pool))?;
            }
        }
        // One call exchanges both, so at any moment the volume has its old files or the new ones.
        let flags = rustix::fs::RenameFlags::EXCHANGE;
        rustix::fs::renameat_with(rustix::fs::CWD, &new, rustix::fs::CWD, data.path(), flags)
            .context(|| format!("restore {}", data.path().display()))?;
        Ok(subvolume::remove(&new)?)
    }

    /// Replaces the image of a volume by a new one, so that the volume has its old files until the new ones are
    /// complete.
    fn restore_image(
        &self,
        place: &Place,
        volume: &hull_storage::volumes::Volume,
        image: &hull_storage::pools::image::Image,
        files: &Path,
    ) -> Result<()> {
        let data = Data::of(self, place, &volume.name);
        data.close(self)?;
        let staged = Staging::new(&place.directory)?;
        super::data::make(self, place, staged.path(), Some(image.size()?), |new| Ok(copy_tree(files, new)?))?;
        let new = staged.path().join("data.img");
        std::fs::rename(&new, &image.file).context(|| format!("restore {}", image.file.display()))
    }

    /// Removes a snapshot.
    pub fn delete_volume_snapshot(&self, pool: &str, volume: &str, snapshot: &str) -> Result<()> {
        let (place, _lock) = Place::locked(self, pool)?;
        place.find(volume)?;
        let files = files(&place, volume, snapshot)?;
        if subvolume::exists(&files) {
            subvolume::remove(&files)?;
        }
        Ok(staging::remove_whole(&path(&place, volume, snapshot))?)
    }

    fn refuse_running(&self, place: &Place, volume: &str) -> Result<()> {
        for user in self.users_of(place, volume)? {
            let id = self.resolve(&user)?;
            if crate::records::snapshot::Snapshot::take(self.root(), &id)?.status.is_active() {
                let name = format!("{}/{volume}", place.pool.name);
                return Err(hull_storage::Error::VolumeInUse { name, users: vec![user] }.into());
            }
        }
        Ok(())
    }
}
