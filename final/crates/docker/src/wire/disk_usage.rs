//! `system df`: the answer of `GET /system/df`, and the short form of images in it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::container::ContainerSummary;
use super::nullable;
use super::volume::Volume;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct DiskUsage {
    /// Bytes of all layers, each counted once.
    pub layers_size: u64,
    #[serde(with = "nullable")]
    pub images: Vec<ImageSummary>,
    #[serde(with = "nullable")]
    pub containers: Vec<ContainerSummary>,
    #[serde(with = "nullable")]
    pub volumes: Vec<Volume>,
    #[serde(with = "nullable")]
    pub build_cache: Vec<BuildCache>,
}

/// An entry of the build cache.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct BuildCache {
    #[serde(rename = "ID")]
    pub id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<String>,
    /// `regular`, `exec.cachemount` or `source.local`.
    #[serde(rename = "Type")]
    pub kind: String,
    pub description: String,
    pub in_use: bool,
    pub shared: bool,
    /// Bytes.
    pub size: i64,
    /// RFC 3339.
    pub created_at: String,
    pub last_used_at: Option<String>,
    pub usage_count: u64,
}

/// An image, as the lists have it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImageSummary {
    /// How many containers have the image; -1 if they were not counted.
    pub containers: i64,
    /// Seconds since 1970.
    pub created: i64,
    pub id: String,
    #[serde(with = "nullable")]
    pub labels: BTreeMap<String, String>,
    pub parent_id: String,
    #[serde(with = "nullable")]
    pub repo_digests: Vec<String>,
    #[serde(with = "nullable")]
    pub repo_tags: Vec<String>,
    /// Bytes of the layers that other images have too; -1 if they were not counted.
    pub shared_size: i64,
    /// Bytes of all layers.
    pub size: i64,
}
