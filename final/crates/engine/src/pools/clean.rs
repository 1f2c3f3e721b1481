//! What killed commands have left of pools: those that were being made or removed, and the files of containers that are gone.

use std::path::Path;

use hull_storage::pools::{PoolDir, subvolume};
use hull_storage::{names, staging};

use super::mount;
use super::record::{self, Driver, Pool};
use crate::engine::Engine;
use crate::error::{Error, Errors, Result};

/// Removes a pool, as far as it is there, and at last its record. Called under the pools' lock.
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
        // A directory with other files in it was refused, and is not hull's to clear.
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

/// Goes on with what killed commands have begun. Called under the pools' lock.
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
    /// Removes the files of images that are gone from the pools that are there. The caller has the lock for what nobody uses.
    pub(crate) fn remove_lost_pool_images(&self) -> Result<()> {
        let mut errors = Errors::default();
        for dir in opened(self)? {
            errors.note(subvolume::remove_lost_images(&dir.images()).map_err(Error::from));
        }
        errors.into_result()
    }
}

/// The directories of the pools that are there. An image file that nobody has mounted is not mounted for this.
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

/// Removes what belongs to no container, in all pools that are there. Goes on past errors and reports them all.
pub(crate) fn collect(engine: &Engine, is_known: impl Fn(&str) -> bool) -> Result<()> {
    let mut errors = Errors::default();
    // A monitor that removes its container does not see the host's mounts.
    for id in mount::roots(engine.root())? {
        if !is_known(&id) {
            errors.note(mount::release(engine.root(), &mount::of_root(engine.root(), &id)));
        }
    }
    // Before the files of their images.
    errors.note(mount::release_lost_volumes(engine.root()));
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
    // What a command fills has a name with a dot.
    if id.starts_with('.') {
        return Ok(());
    }
    if !is_known(id) && !root.container_dir(id).exists() {
        // A copy has its name before its files, and its record after them.
        return match names::of_container(root, id)?.is_empty() {
            true => super::place::remove_home(root, id, home),
            false => Ok(()),
        };
    }
    super::moved::settle_if_free(engine, id)
}
