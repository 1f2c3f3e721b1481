//! `build/steps/<key>.json`: what a step has made.

use hull_image::Digest;
use hull_image::config::Descriptor;
use serde::{Deserialize, Serialize};

use super::key::Inputs;

pub(crate) const FORMAT: u32 = 1;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    pub format: u32,
    /// RFC 3339: when the step has run. Images that use the step say so in their history.
    pub created: String,
    /// The instruction as written, for lists.
    pub description: String,
    pub inputs: Inputs,
    pub layer: LayerOfStep,
}

/// The layer that a step has made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerOfStep {
    pub diff_id: Digest,
    /// The layer directory and the blob are in the layer store under this chain ID.
    pub chain_id: Digest,
    /// Of the blob.
    pub descriptor: Descriptor,
    /// Bytes in the layer's files.
    pub bytes: u64,
}
