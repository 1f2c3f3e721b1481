//! Other ids for a container, which wait for its next start.

use super::identity;
use crate::engine::Engine;
use crate::error::Result;
use crate::records::record::Record;
use crate::userns::leases;

/// Gives the container the ids that its keys ask for, if these keys have changed. Called under the lock of a container
/// that does not run. Its files keep their ids on the disk, which are mapped when the files are mounted.
pub(crate) fn settle(engine: &Engine, record: &mut Record) -> Result<()> {
    if !record.instance.has_outdated_ids {
        return Ok(());
    }
    let mut next = record.clone();
    identity::replace(&record.instance.expanded.config, &mut next.options)?;
    next.id_maps = None;
    engine.give_ids(&mut next)?;
    next.instance.has_outdated_ids = false;
    next.store(&engine.root().container_dir(&next.id))?;
    if next.id_maps.is_none() {
        leases::release(engine.root(), &next.id)?;
    }
    *record = next;
    Ok(())
}
