//! The results of a build: an image in the store, an archive, files.

use hull_image::Digest;
use hull_image::config::{Descriptor, ImageConfig};
use hull_image::platform::Platform;

/// What the stages of one platform have made.
#[derive(Debug, Clone)]
pub struct Built {
    pub platform: Platform,
    /// With `rootfs.diff_ids` and the history.
    pub config: ImageConfig,
    /// The layers' blobs, all in the store: those of the base image as they came, new ones as plain tars.
    pub layers: Vec<Descriptor>,
    /// The base image's manifest, if it is in a registry: for the annotations `org.opencontainers.image.base.*`.
    pub base: Option<(String, Digest)>,
}
