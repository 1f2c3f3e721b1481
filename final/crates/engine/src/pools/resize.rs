//! Changing the size of a container's files, when its disk device changes.

use hull_storage::pools::subvolume;

use super::keys::{invalid, parse_size};
use super::root_disk::key;
use super::{mount, place};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::records::record::Record;

/// A change of the size of a container's files, which has been checked.
pub(crate) struct Resize {
    bytes: Option<u64>,
}

impl Engine {
    /// Checks a change of a container's disk device, and puts the new size into the record. A change of the pool is
    /// refused. `None`: the size stays.
    pub(crate) fn plan_root_disk(&self, before: &Record, record: &mut Record) -> Result<Option<Resize>> {
        let (old, new) = (&before.instance.expanded, &record.instance.expanded);
        let own = record.writable.pool_name();
        let pool = key(new, "pool");
        if let Some(pool) = pool.filter(|pool| *pool != own && key(old, "pool") != Some(*pool)) {
            let name = &record.name;
            let why =
                format!("the files of container {name} are in the pool {own}, and stay there: not in {pool}");
            return Err(Error::Unsupported(format!("another pool for a root: {why}")));
        }
        if key(new, "size") == key(old, "size") {
            return Ok(None);
        }
        let size = key(new, "size").map(parse_size).transpose()?;
        self.check_resize(record, size)
    }

    fn check_resize(&self, record: &mut Record, size: Option<u64>) -> Result<Option<Resize>> {
        let limitless = || {
            invalid("size", "in this pool, only a container that was made with a size can get another one")
        };
        let Some(place) = &record.writable.pool else {
            // The container has no size. Unsetting it again changes nothing.
            return size.map_or(Ok(None), |_| Err(limitless()));
        };
        if record.subvolume(self.root()).is_none() {
            let dir = mount::open(self.root(), &place.name)?;
            match (place::own_image(self, record, &dir), size) {
                (None, None) => return Ok(None),
                (None, Some(_)) => return Err(limitless()),
                (Some(_), None) => {
                    return Err(invalid("size", "the container was made with one, and keeps one"));
                }
                (Some(image), Some(bytes)) => drop(image.can_grow_to(bytes)?),
            }
        }
        if let Some(place) = &mut record.writable.pool {
            place.size = size;
        }
        Ok(Some(Resize { bytes: size }))
    }
}

impl Resize {
    /// Gives the files the size that the stored record has. After a kill, the next use of the files does it.
    pub(crate) fn carry_out(self, engine: &Engine, record: &Record) -> Result<()> {
        match (record.subvolume(engine.root()), self.bytes) {
            (Some(root), bytes) => Ok(subvolume::limit(&root, bytes)?),
            // This mounts the image, and enlarges it.
            (None, _) => place::ensure(engine, record),
        }
    }
}
