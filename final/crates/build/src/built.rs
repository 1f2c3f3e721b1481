//! What a build has made, before it becomes an image, files or a cache elsewhere.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use hull_image::Digest;
use hull_image::config::{Descriptor, ImageConfig};
use hull_image::platform::Platform;

/// What the stages of one platform have made.
#[derive(Debug, Clone)]
pub struct Built {
    pub platform: Platform,
    /// With `rootfs.diff_ids` and the history.
    pub config: ImageConfig,
    /// Lowest first, as many as `config.rootfs.diff_ids`.
    pub layers: Vec<BuiltLayer>,
    /// The base image's name and manifest, if it came from a registry: for the annotations
    /// `org.opencontainers.image.base.*`.
    pub base: Option<(String, Digest)>,
    /// The other stages that were built, for the export of the cache.
    pub others: Vec<StageLayers>,
    pub keeps: Keeps,
}

/// What keeps pruning and garbage collection from the layers until the results are written.
#[derive(Debug, Clone, Default)]
pub struct Keeps {
    pub running: Option<Arc<dyn std::fmt::Debug + Send + Sync>>,
    /// Blobs and layers of base images.
    pub base_images: Arc<Vec<File>>,
}

/// The layers of a stage.
#[derive(Debug, Clone)]
pub struct StageLayers {
    pub diff_ids: Vec<Digest>,
    /// As many as diff IDs.
    pub layers: Vec<BuiltLayer>,
}

/// The step that has made a layer.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct StepOfLayer {
    pub key: Digest,
    /// RFC 3339.
    pub created: String,
}

/// A layer of the result. Its directory is in the layer store already, under its chain ID.
#[derive(Debug, Clone)]
pub struct BuiltLayer {
    pub descriptor: Descriptor,
    /// The blob of a step's layer, in the layer store. It becomes a hard link in `blobs/` when an image with the layer is
    /// published, so that garbage collection of images does not take it from the cache. `None` for a layer of the base
    /// image: its blob is in `blobs/`.
    pub step_blob: Option<PathBuf>,
    /// `None` for a layer of the base image.
    pub step: Option<StepOfLayer>,
}
