//! Changing the size of a container's files, when its disk device changes.

use hull_storage::pools::subvolume;

use super::keys::{invalid, parse_size};
use super::record::DEFAULT;
use super::root_disk::key;
use super::{mount, place};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::records::record::Record;

impl Engine {
    /// Gives the files of a container the size of its changed disk device, at once. A change of the pool is refused.
    pub(crate) fn change_root_disk(&self, before: &Record, record: &mut Record) -> Result<()> {
        let (old, new) = (&before.instance.expanded, &record.instance.expanded);
        let own = record.writable.pool.as_ref().map_or(DEFAULT, |place| place.name.as_str());
        let pool = key(new, "pool");
        if let Some(pool) = pool.filter(|pool| *pool != own && key(old, "pool") != Some(*pool)) {
            let name = &record.name;
            let why =
                format!("the files of container {name} are in the pool {own}, and stay there: not in {pool}");
            return Err(Error::Unsupported(format!("another pool for a root: {why}")));
        }
        if key(new, "size") == key(old, "size") {
            return Ok(());
        }
        let size = key(new, "size").map(parse_size).transpose()?;
        self.resize_root(record, size)
    }

    fn resize_root(&self, record: &mut Record, size: Option<u64>) -> Result<()> {
        let limitless = || {
            invalid("size", "in this pool, only a container that was made with a size can get another one")
        };
        let Some(place) = &record.writable.pool else {
            // The container has no size. Unsetting it again changes nothing.
            return size.map_or(Ok(()), |_| Err(limitless()));
        };
        let dir = mount::open(self.root(), &place.name)?;
        if let Some(root) = record.subvolume(self.root()) {
            subvolume::limit(&root, size)?;
        } else {
            match (place::own_image(self, record, &dir), size) {
                (None, None) => {}
                (None, Some(_)) => return Err(limitless()),
                (Some(_), None) => {
                    return Err(invalid("size", "the container was made with one, and keeps one"));
                }
                (Some(image), Some(bytes)) => {
                    mount::ensure(self.root(), &image, &place.directory)?;
                    image.resize(&place.directory, bytes)?;
                }
            }
        }
        if let Some(place) = &mut record.writable.pool {
            place.size = size;
        }
        Ok(())
    }
}
