//! `application/vnd.buildkit.cacheconfig.v0`: BuildKit's list of steps and their layers (moby/buildkit,
//! `cache/remotecache/v1`).

use hull_image::Digest;
use hull_image::config::Descriptor;
use serde::{Deserialize, Serialize};

pub(super) const MEDIA_TYPE: &str = "application/vnd.buildkit.cacheconfig.v0";

/// Annotations of a layer's descriptor: its diff ID, and when it was made.
const UNCOMPRESSED: &str = "containerd.io/uncompressed";
const CREATED: &str = "buildkit/createdat";

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct CacheConfig {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<CacheLayer>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<CacheRecord>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct CacheLayer {
    pub blob: Digest,
    /// The number of the layer below it; -1 for the lowest. Go leaves out a 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub parent: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<LayerAnnotations>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct LayerAnnotations {
    pub media_type: String,
    #[serde(rename = "diffID", skip_serializing_if = "Option::is_none")]
    pub diff_id: Option<Digest>,
    pub size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct CacheRecord {
    /// The results: layers by their numbers, each with all layers below it.
    #[serde(rename = "layers", skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<CacheResult>,
    /// The step's key.
    pub digest: Option<Digest>,
    /// For each input the records that it may come from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Vec<CacheInput>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CacheResult {
    pub layer: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct CacheInput {
    /// The number of a record.
    pub link: usize,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// A layer's descriptor as a cache's manifest lists it.
pub(super) fn described(layer: &Descriptor, diff_id: &Digest, created: Option<&str>) -> Descriptor {
    let mut descriptor = Descriptor { platform: None, ..layer.clone() };
    descriptor.annotations.insert(UNCOMPRESSED.into(), diff_id.to_string());
    if let Some(created) = created {
        descriptor.annotations.insert(CREATED.into(), created.into());
    }
    descriptor
}
