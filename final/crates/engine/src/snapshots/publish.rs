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
        // In this order, as everywhere: first what keeps images, and then the container's lock, which keeps the snapshot.
        let _uses = self.lock_in_use()?;
        let _lock = self.lock(&id).map_err(|error| error.for_container(&name.container))?;
        let present = Record::load(self.root(), &id).map_err(|error| error.for_container(&name.container))?;
        let snapshot = InstanceSnapshot::load(self.root(), &present, &name.snapshot)?;
        let options = CommitOptions { pause: false, ..options.clone() };
        self.commit_record(&snapshot.record, &options)
    }
}
