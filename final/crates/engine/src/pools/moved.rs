//! The mark of a container that is moved from one pool to another.
//!
//! The container's record says in which pool it is. During a move a second pool has files of it, too: an incomplete
//! copy, or the old files that are not removed yet. A mark in the container's directory says so. After a kill the next
//! command finds the mark, and removes the files from every pool but that of the record.

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

/// Sets the mark of a container whose move begins. Called under its lock.
pub(crate) fn begin(root: &Root, id: &str) -> Result<()> {
    Ok(hull_storage::file::write_atomic(&root.container_dir(id).join(MARK), b"", 0o600)?)
}

/// Removes a container's files from all pools but the one that its record names, and then the mark. Called under its
/// lock.
pub(crate) fn settle(root: &Root, container: &Record) -> Result<()> {
    let mark = root.container_dir(&container.id).join(MARK);
    if !mark.exists() {
        return Ok(());
    }
    let own = container.writable.pool.as_ref().map(|place| place.name.as_str());
    let mut is_complete = true;
    for name in names(root)? {
        let Ok(Some(pool)) = record::load(root, &name) else { continue };
        if own == Some(&name) || pool.is_default() {
            continue;
        }
        let dir = mount::dir_of(root, &pool);
        if !dir.is_of(&pool.id).unwrap_or(false) {
            // The pool is not mounted now. The mark stays, so that a later command looks there.
            is_complete = false;
            continue;
        }
        place::remove_home(root, &container.id, &dir.containers().join(&container.id))?;
    }
    if container.home(root) != root.container_dir(&container.id) {
        empty_root(root, &container.id, own == Some(record::DEFAULT))?;
    }
    match is_complete {
        true => Ok(hull_storage::file::remove(&mark)?),
        false => Ok(()),
    }
}

/// Empties the container's directory below the data root. The first layer's work directory stays, because it says that
/// the container was started.
fn empty_root(root: &Root, id: &str, has_image: bool) -> Result<()> {
    let home = root.container_dir(id);
    if !has_image {
        hull_storage::file::remove(&home.join(place::IMAGE))?;
    }
    remove_tree(&private_dir(&home))?;
    let upper = layer(&home, 0).upper().to_owned();
    remove_tree(&upper)?;
    Ok(make_dirs(&upper, 0o755)?)
}

/// [`settle`] for a listing, which does not wait for the container's lock: its holder may be the command that moves it.
pub(super) fn settle_if_free(engine: &Engine, id: &str) -> Result<()> {
    let root = engine.root();
    if !root.container_dir(id).join(MARK).exists() {
        return Ok(());
    }
    let Some(_lock) = engine.lock_if_free(id)? else { return Ok(()) };
    settle(root, &Record::load(root, id)?)
}
