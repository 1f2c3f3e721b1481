//! A step's writable layer becomes a layer of an image: its files are read once, for the tar and its digest, and then
//! the upper directory is the layer's directory.

use std::fs::File;
use std::io::Write;

use hull_image::{Digest, Hasher};
use hull_storage::layers::LayerStore;
use hull_storage::step_layer::StepLayer;
use hull_sys::sparse::HoleWriter;

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
        let file = File::create_new(&blob).context(context)?;
        let mut tar = Hasher::new(HoleWriter::new(file));
        let bytes = layer::pack(&self.upper(), &self.below()?, epoch, &mut tar)?;
        tar.flush().context(context)?;
        let size = tar.size;
        let diff_id = tar.finish();
        layer.adopt(&self.upper())?;
        self.remove()?;
        Ok(PackedStep { diff_id, size, bytes, layer })
    }
}
