//! Cleanup after killed commands: pools that were being made or removed, and files of containers that are gone.

use std::path::Path;

use hull_storage::pools::{PoolDir, subvolume};
use hull_storage::{names, staging};

use super::mount;
use super::record::{self, Driver, Pool};
use crate::engine::Engine;
use crate::error::{Error, Errors, Result};

/// Removes whatever exists of a pool, and its record last. Called under the pools' lock.
pub(super) fn undo(engine: &Engine, pool: &Pool) -> Result<()> {
    let root = engine.root();
    let dir = mount::dir_of(root, pool);
    match pool.driver {
        Driver::Image => {
            mount::release(root, dir.path())?;
            if pool.owns_source {
                hull_storage::file::remove(&pool.source)?;
            }
        }
        // A directory without the pool's mark that existed before has files of somebody else, and is left alone.
        Driver::Dir | Driver::Btrfs if dir.is_of(&pool.id)? || pool.owns_source => {
            dir.clear()?;
            if pool.owns_source {
                hull_storage::tree::remove_tree(&pool.source)?;
            }
        }
        Driver::Dir | Driver::Btrfs => {}
    }
    record::remove(root, &pool.name)
}

/// Removes the pools that a killed command was making or removing. Called under the pools' lock.
pub(super) fn finish(engine: &Engine) -> Result<()> {
    for name in record::names(engine.root())? {
        // A damaged record is reported where the pool is used.
        if let Ok(Some(pool)) = record::load(engine.root(), &name)
            && pool.in_work.as_ref().is_some_and(|maker| !maker.is_alive())
        {
            undo(engine, &pool)?;
        }
    }
    Ok(())
}

impl Engine {
    /// Removes the copies of removed images from all pools that are mounted now. The caller holds the lock of
    /// [`Self::lock_unused`].
    pub(crate) fn remove_lost_pool_images(&self) -> Result<()> {
        let mut errors = Errors::default();
        for dir in opened(self)? {
            errors.note(subvolume::remove_lost_images(&dir.images()).map_err(Error::from));
        }
        errors.into_result()
    }
}

/// The directories of the pools that are available. A pool in an image file is left out unless it is mounted already.
fn opened(engine: &Engine) -> Result<Vec<PoolDir>> {
    let mut found = Vec::new();
    for name in record::names(engine.root())? {
        // A damaged record is reported where the pool is used.
        let Ok(Some(pool)) = record::load(engine.root(), &name) else { continue };
        let dir = mount::dir_of(engine.root(), &pool);
        if pool.in_work.is_none() && dir.is_of(&pool.id).unwrap_or(false) {
            found.push(dir);
        }
    }
    Ok(found)
}

/// Removes what belongs to no container from all available pools. Goes on past errors and reports them all.
pub(crate) fn collect(engine: &Engine, is_known: impl Fn(&str) -> bool) -> Result<()> {
    let mut errors = Errors::default();
    // A monitor that removes its container does not see the host's mounts, so a listing unmounts the image.
    for id in mount::roots(engine.root())? {
        if !is_known(&id) {
            errors.note(mount::release(engine.root(), &mount::of_root(engine.root(), &id)));
        }
    }
    // The mounts go before the staging directories, which have the image files that are mounted.
    errors.note(mount::release_lost(engine.root()));
    for dir in opened(engine)? {
        for parent in [dir.images(), dir.volumes(), dir.containers()] {
            errors.note(staging::collect(&parent).map_err(Error::from));
        }
        for id in hull_storage::directory::names_in(&dir.containers())? {
            errors.note(collect_home(engine, &id, &dir.containers().join(&id), &is_known));
        }
    }
    errors.into_result()
}

/// Removes the files of a container that is gone, or that has been moved to another pool.
fn collect_home(engine: &Engine, id: &str, home: &Path, is_known: impl Fn(&str) -> bool) -> Result<()> {
    let root = engine.root();
    // A directory that a command still fills has a name that begins with a dot.
    if id.starts_with('.') {
        return Ok(());
    }
    if !is_known(id) && !root.container_dir(id).exists() {
        // A copy claims its name before its files are made, and its record is written after them. So files whose id has
        // a name belong to a copy in progress.
        return match names::of_container(root, id)?.is_empty() {
            true => super::place::remove_home(root, id, home),
            false => Ok(()),
        };
    }
    super::moved::settle_if_free(engine, id)
}
