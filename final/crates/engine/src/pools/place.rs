//! A container's files in a pool, and their size.
//!
//! ```text
//! <pool>/containers/<id>/subvolumes/<n>   on btrfs: a snapshot of the image's files
//!                       /upper, …         on other file systems: layers of an overlay above the image's layers
//!                       /root.img         on other file systems, with a size: an image file that has such layers
//! ```
//! On btrfs a quota group enforces a size. On other file systems the size of the image file is the limit. The data root
//! is a pool, too, so `--storage-opt size=` works without another pool.

use std::path::{Path, PathBuf};

use hull_storage::directory::make_dirs;
use hull_storage::pools::image::{FileSystem, Image};
use hull_storage::pools::{PoolDir, subvolume};
use hull_storage::root::Root;
use hull_storage::staging;
use sha2::{Digest, Sha256};

use super::keys::parse_size;
use super::record::{DEFAULT, Driver, Pool};
use super::{mount, root_disk};
use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::mountpoints;
use crate::records::options::CreateOptions;
use crate::records::record::Record;
use crate::records::writable::{Files, InPool, Writable, layer, start_mark};

pub(super) const IMAGE: &str = "root.img";

/// Where the files of a new container will be.
pub(crate) fn plan(engine: &Engine, id: &str, options: &CreateOptions) -> Result<Writable> {
    let asked = root_disk::asked(options)?;
    plan_in(engine, id, asked.pool.as_deref().unwrap_or(DEFAULT), asked.size)
}

fn plan_in(engine: &Engine, id: &str, name: &str, size: Option<u64>) -> Result<Writable> {
    if name == DEFAULT && size.is_none() {
        return Ok(Writable::default());
    }
    let (pool, dir) = engine.open_pool(name)?;
    if has_subvolumes(&pool) {
        let place = InPool { name: pool.name, directory: dir.path().to_owned(), size };
        return Ok(Writable { pool: Some(place), files: Files::Subvolume { present: 0 } });
    }
    if size.is_some() && hull_sys::id_map::in_user_namespace() {
        let why = "a limit takes root: a loop device or a quota of btrfs, which the kernel gives nobody else";
        return Err(Error::Unsupported(format!("the size of a container's root: {why}")));
    }
    let directory = match size {
        Some(_) => mount::of_root(engine.root(), id),
        None => dir.path().to_owned(),
    };
    Ok(Writable { pool: Some(InPool { name: pool.name, directory, size }), files: Files::default() })
}

pub(super) fn has_subvolumes(pool: &Pool) -> bool {
    pool.driver == Driver::Btrfs || pool.file_system == Some(FileSystem::Btrfs)
}

/// Makes the files of a new container. The record, which says where they are, has been written before.
pub(crate) fn make(engine: &Engine, record: &Record) -> Result<()> {
    let Some(place) = &record.writable.pool else { return Ok(()) };
    let dir = mount::open(engine.root(), &place.name)?;
    match &record.writable.files {
        Files::Subvolume { .. } => {
            let base = write_image(engine, record, &dir)?;
            let Some(root) = record.subvolume(engine.root()) else { return Ok(()) };
            make_dirs(root.parent().unwrap_or(&root), 0o711)?;
            if !subvolume::exists(&root) {
                subvolume::snapshot(&base, &root)?;
            }
            limit(record, &root)
        }
        Files::Layers { present, .. } => {
            if let Some(image) = own_image(engine, record, &dir) {
                make_image(engine, &image, place.size.unwrap_or_default())?;
                mount::ensure(engine.root(), &image, &place.directory)?;
                make_dirs(&place.directory.join("containers"), 0o711)?;
            }
            Ok(layer(&record.home(engine.root()), *present).create()?)
        }
    }
}

/// Makes the image under a temporary name, so that the final name always stands for a complete image.
fn make_image(engine: &Engine, image: &Image, bytes: u64) -> Result<()> {
    if image.file.exists() {
        return Ok(());
    }
    make_dirs(image.file.parent().unwrap_or(&image.file), 0o711)?;
    let new = Image { file: image.file.with_extension("new"), file_system: image.file_system };
    hull_storage::file::remove(&new.file)?;
    engine.make_image(&new, bytes)?;
    std::fs::rename(&new.file, &image.file).context(|| format!("make {}", image.file.display()))
}

/// Makes a container's files ready for use: mounts the file system that has them. If the container was never started,
/// this also makes the files that an interrupted `create` has not made.
pub(crate) fn ensure(engine: &Engine, record: &Record) -> Result<()> {
    let Some(place) = &record.writable.pool else { return Ok(()) };
    let dir = mount::open(engine.root(), &place.name)?;
    let image = own_image(engine, record, &dir);
    if let Some(image) = image.as_ref().filter(|image| image.file.exists()) {
        mount::ensure(engine.root(), image, &place.directory)?;
        // A change of the size may have been killed after it was recorded.
        if let Some(bytes) = place.size
            && image.size()? < bytes
        {
            image.resize(&place.directory, bytes)?;
        }
    }
    let home = record.home(engine.root());
    let is_there = match record.subvolume(engine.root()) {
        Some(root) => subvolume::exists(&root),
        None => home.is_dir(),
    };
    if is_there {
        // A restore makes a new subvolume, which has no limit yet.
        return record.subvolume(engine.root()).map_or(Ok(()), |root| limit(record, &root));
    }
    match start_mark(engine.root(), &record.id).first_mounted() {
        None => make(engine, record),
        Some(_) => Err(Error::PoolUnavailable {
            pool: place.name.clone(),
            why: format!("the files of container {} are gone from {}", record.name, home.display()),
        }),
    }
}

/// The image file that has the container's layers. Only a container with a size and without a subvolume has one.
pub(super) fn own_image(engine: &Engine, record: &Record, dir: &PoolDir) -> Option<Image> {
    let place = record.writable.pool.as_ref()?;
    let size = place.size.filter(|_| matches!(record.writable.files, Files::Layers { .. }))?;
    let home = match place.name.as_str() {
        DEFAULT => engine.root().container_dir(&record.id),
        _ => dir.containers().join(&record.id),
    };
    Some(Image::of_size(home.join(IMAGE), size))
}

/// Writes the files of the container's image into the pool, once for all containers that are made from it.
fn write_image(engine: &Engine, record: &Record, dir: &PoolDir) -> Result<PathBuf> {
    let layers = record.layers.iter().rev().map(|layer| engine.root().data().join(layer));
    let layers: Vec<PathBuf> = layers.chain([mountpoints::ensure(engine.root(), record)?]).collect();
    let empty = engine.root().run().join("build/empty");
    let written = subvolume::write_image(&dir.images(), &key(record), &layers, &empty);
    written.map_err(|error| Error::Storage(error).for_container(&record.name))
}

/// The name of an image's files in a pool: a digest of its layers.
fn key(record: &Record) -> String {
    let mut digest = Sha256::new();
    for layer in &record.layers {
        digest.update(layer.as_os_str().as_encoded_bytes());
        digest.update([0]);
    }
    digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The subvolume with the image's files. The root of a container with a subvolume is a snapshot of it.
pub(crate) fn base(engine: &Engine, record: &Record) -> Result<PathBuf> {
    write_image(engine, record, &mount::open(engine.root(), record.writable.pool_name())?)
}

/// Gives a subvolume the limit of its container.
pub(crate) fn limit(record: &Record, root: &Path) -> Result<()> {
    match record.writable.pool.as_ref().and_then(|place| place.size) {
        Some(bytes) => Ok(subvolume::limit(root, Some(bytes))?),
        None => Ok(()),
    }
}

/// Where the files of a copy are to be: in the given pool, or without one in the pool of the original. The copy gets
/// the original's size.
pub(crate) fn plan_copy(
    engine: &Engine,
    id: &str,
    original: &Record,
    pool: Option<&str>,
) -> Result<Writable> {
    let place = original.writable.pool.as_ref();
    let own = place.map_or(DEFAULT, |place| &place.name);
    plan_in(engine, id, pool.unwrap_or(own), place.and_then(|place| place.size))
}

/// Gives a copy the size that its disk device asks for, if that differs from the original's.
pub(crate) fn adopt_size(engine: &Engine, record: &mut Record, original: &Record) -> Result<()> {
    let [new, old] = [&*record, original].map(|one| root_disk::key(&one.instance.expanded, "size"));
    if new == old {
        return Ok(());
    }
    let size = new.map(parse_size).transpose()?;
    record.writable = plan_in(engine, &record.id, record.writable.pool_name(), size)?;
    Ok(())
}

/// The directory that has a container's files, and for an image file that file instead.
pub(super) fn outer_home(root: &Root, id: &str, writable: &Writable) -> Result<PathBuf> {
    match &writable.pool {
        Some(place) if place.name == DEFAULT => Ok(root.container_dir(id)),
        Some(place) => Ok(mount::open(root, &place.name)?.containers().join(id)),
        None => Ok(root.container_dir(id)),
    }
}

/// Removes a container's files from its pool. The container's record still says that they are there.
pub(crate) fn remove(engine: &Engine, id: &str, writable: &Writable) -> Result<()> {
    let Some(place) = &writable.pool else { return Ok(()) };
    let dir = mount::open(engine.root(), &place.name)?;
    match place.name.as_str() {
        // All other files are in the container's directory, which the caller removes.
        DEFAULT => mount::release(engine.root(), &mount::of_root(engine.root(), id)),
        _ => remove_home(engine.root(), id, &dir.containers().join(id)),
    }
}

/// Unmounts the image with a container's files, if it has one. The next use mounts that of its record.
pub(crate) fn release(root: &Root, id: &str) -> Result<()> {
    mount::release(root, &mount::of_root(root, id))
}

/// Removes a container's directory in a pool.
pub(super) fn remove_home(root: &Root, id: &str, home: &Path) -> Result<()> {
    mount::release(root, &mount::of_root(root, id))?;
    subvolume::remove_all(&home.join("subvolumes"))?;
    Ok(staging::remove_whole(home)?)
}
