//! An image of a snapshot.

use hull_image::Digest;

use super::store::{InstanceSnapshot, SnapshotName};
use crate::copy::CommitOptions;
use crate::engine::Engine;
use crate::error::Result;
use crate::records::record::Record;

impl Engine {
    /// Creates an image from a snapshot, and returns the image's id.
    pub fn commit_snapshot(&self, name: &SnapshotName, options: &CommitOptions) -> Result<Digest> {
        let id = self.resolve(&name.container)?;
        // The order of locks that all commands keep: first the lock of images in use, then the container's lock, under
        // which the snapshot cannot be removed.
        let _uses = self.lock_in_use()?;
        let _lock = self.lock(&id).map_err(|error| error.for_container(&name.container))?;
        let present = Record::load(self.root(), &id).map_err(|error| error.for_container(&name.container))?;
        let snapshot = InstanceSnapshot::load(self.root(), &present, &name.snapshot)?;
        let options = CommitOptions { pause: false, ..options.clone() };
        self.commit_record(&snapshot.record, &options)
    }
}
