//! The cgroups that `--cgroup-parent` of a container names: those that did not exist before are removed with the last
//! container in them.
//!
//! `cgroups.json` in the run root lists them. A container's state, which names its cgroup, is written before the list is
//! read, so that the end of another container leaves the parent alone. A container without a parent of its own touches
//! neither the list nor its lock.

use std::collections::BTreeSet;
use std::path::PathBuf;

use hull_storage::file;
use hull_storage::lock::Lock;

use crate::engine::{Engine, cgroup_layout};
use crate::error::Result;
use crate::records::find::directories;
use crate::records::record::Record;
use crate::records::state::State;

/// Paths below the hierarchies' roots, without a slash at the end.
type Made = BTreeSet<String>;

fn list(engine: &Engine) -> PathBuf {
    engine.root().run().join("cgroups.json")
}

fn lock(engine: &Engine) -> Result<Lock> {
    Ok(Lock::exclusive(&engine.root().run().join("cgroups.lock"))?)
}

/// The path of a container's cgroup, as far as its record can be read.
pub(crate) fn path_of(engine: &Engine, id: &str) -> String {
    let record = Record::load(engine.root(), id).ok();
    engine.cgroup_path(id, record.and_then(|record| record.options.cgroup_parent).as_deref())
}

/// Records the parents of the cgroup at `path` that are about to be made with it.
pub(crate) fn will_make(engine: &Engine, path: &str) -> Result<()> {
    let _lock = lock(engine)?;
    let layout = cgroup_layout()?;
    let missing = parents(path).filter(|parent| !layout.cgroup(parent).exists());
    let mut made: Made = file::read_json(&list(engine))?.unwrap_or_default();
    let known = made.len();
    made.extend(missing);
    match made.len() == known {
        true => Ok(()),
        false => Ok(file::write_json_atomic(&list(engine), &made)?),
    }
}

/// Removes what hull has made of the parents and no container uses. Called after the end of a container with a parent of
/// its own, and by each command that finds that no container runs.
pub(crate) fn remove_unused(engine: &Engine) -> Result<()> {
    if !list(engine).exists() {
        return Ok(());
    }
    let _lock = lock(engine)?;
    let mut made: Made = file::read_json(&list(engine))?.unwrap_or_default();
    let ids = directories(&engine.root().run().join("containers"))?;
    let states = ids.iter().filter_map(|id| State::load(engine.root(), id).ok().flatten());
    let used: Vec<String> = states.filter_map(|state| state.cgroup).collect();
    let layout = cgroup_layout()?;
    // A longer path comes later, and has to go first.
    for path in made.clone().into_iter().rev() {
        if used.iter().any(|cgroup| parents(cgroup).any(|parent| parent == path)) {
            continue;
        }
        let cgroup = layout.cgroup(&path);
        cgroup.remove_if_empty();
        // One that another program uses stays, and is no longer hull's.
        made.remove(&path);
    }
    match made.is_empty() {
        true => Ok(file::remove(&list(engine))?),
        false => Ok(file::write_json_atomic(&list(engine), &made)?),
    }
}

/// `/a/b` and `/a` for `/a/b/ID`.
fn parents(path: &str) -> impl Iterator<Item = String> {
    let mut path = format!("/{}", path.trim_matches('/'));
    std::iter::from_fn(move || {
        path.truncate(path.rfind('/')?);
        (!path.is_empty()).then(|| path.clone())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parents_of_a_cgroup_are_those_above_it() {
        assert_eq!(parents("/a/b/id").collect::<Vec<_>>(), ["/a/b", "/a"]);
        assert_eq!(parents("a/id").collect::<Vec<_>>(), ["/a"]);
        assert_eq!(parents("/id").count(), 0);
    }
}
