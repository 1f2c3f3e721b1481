//! A step's writable layer becomes a layer of an image: its files are read once, for the tar and its digest, and then
//! the upper directory is the layer's directory.

use hull_image::{BlobFile, Digest};
use hull_storage::layers::LayerStore;
use hull_storage::step_layer::StepLayer;

use super::finished::FinishedStep;
use crate::copy::layer;
use crate::error::{IoContext, Result};

/// A layer with its tar, which nobody sees until it is published.
#[derive(Debug)]
pub struct PackedStep {
    /// The digest of the tar.
    pub diff_id: Digest,
    /// The size of the tar.
    pub size: u64,
    /// The bytes in the files of the layer.
    pub bytes: u64,
    pub layer: StepLayer,
}

impl FinishedStep {
    /// Packs what the step has changed, and removes the step. Times in the tar are not later than `epoch`, in seconds
    /// since 1970.
    pub fn pack(self, epoch: Option<i64>) -> Result<PackedStep> {
        let layer = LayerStore::new(self.engine.root()).begin_step()?;
        let blob = layer.blob();
        let context = || format!("write {}", blob.display());
        let mut tar = BlobFile::create(&blob).context(context)?;
        let bytes = layer::pack(&self.upper(), &self.below()?, epoch, &mut tar)?;
        let (diff_id, size) = tar.finish().context(context)?;
        layer.adopt(&self.upper())?;
        self.remove()?;
        Ok(PackedStep { diff_id, size, bytes, layer })
    }
}
