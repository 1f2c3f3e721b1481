//! A container that moves from one pool to another.
//!
//! Its record says in which pool it is. While it moves, a file in its directory says that another pool has files of it, too:
//! those that are not complete yet, or not removed yet. What a killed command has left of them is removed by the next one.

use hull_storage::directory::make_dirs;
use hull_storage::root::Root;
use hull_storage::tree::remove_tree;

use super::record::names;
use super::{mount, place, record};
use crate::engine::Engine;
use crate::error::Result;
use crate::records::record::Record;
use crate::records::writable::{layer, private_dir};

const MARK: &str = "moving";

/// Notes that a container begins to move. Called under its lock.
pub(crate) fn begin(root: &Root, id: &str) -> Result<()> {
    Ok(hull_storage::file::write_atomic(&root.container_dir(id).join(MARK), b"", 0o600)?)
}

/// Removes a container's files from all places but its own. Called under its lock.
pub(crate) fn settle(root: &Root, container: &Record) -> Result<()> {
    let mark = root.container_dir(&container.id).join(MARK);
    if !mark.exists() {
        return Ok(());
    }
    let own = container.writable.pool.as_ref().map(|place| place.name.as_str());
    for name in names(root)? {
        let Ok(Some(pool)) = record::load(root, &name) else { continue };
        if own == Some(&name) || pool.is_default() {
            continue;
        }
        let dir = mount::dir_of(root, &pool);
        if !dir.is_of(&pool.id).unwrap_or(false) {
            // It is not there now. The mark stays until it is.
            return Ok(());
        }
        place::remove_home(root, &container.id, &dir.containers().join(&container.id))?;
    }
    if container.home(root) != root.container_dir(&container.id) {
        empty_root(root, &container.id)?;
    }
    Ok(hull_storage::file::remove(&mark)?)
}

/// The directory of the container below the data root keeps its first layer, which says that the container was started.
fn empty_root(root: &Root, id: &str) -> Result<()> {
    let home = root.container_dir(id);
    remove_tree(&private_dir(&home))?;
    let upper = layer(&home, 0).upper().to_owned();
    remove_tree(&upper)?;
    Ok(make_dirs(&upper, 0o755)?)
}

/// The same for a listing, which does not wait: another command that holds the lock is about to move the container.
pub(super) fn settle_if_free(engine: &Engine, id: &str) -> Result<()> {
    let root = engine.root();
    if !root.container_dir(id).join(MARK).exists() {
        return Ok(());
    }
    let Some(_lock) = engine.lock_if_free(id)? else { return Ok(()) };
    settle(root, &Record::load(root, id)?)
}
