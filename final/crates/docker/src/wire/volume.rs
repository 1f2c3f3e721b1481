//! A volume.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::nullable;

/// The body of `POST /volumes/create`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct CreateRequest {
    /// Empty: a random one.
    pub name: String,
    pub driver: String,
    #[serde(deserialize_with = "nullable::deserialize")]
    pub driver_opts: BTreeMap<String, String>,
    #[serde(deserialize_with = "nullable::deserialize")]
    pub labels: BTreeMap<String, String>,
}

/// `volume inspect`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Volume {
    pub created_at: String,
    pub driver: String,
    #[serde(with = "nullable")]
    pub labels: BTreeMap<String, String>,
    pub mountpoint: String,
    pub name: String,
    #[serde(with = "nullable")]
    pub options: BTreeMap<String, String>,
    pub scope: String,
    /// Only in the answer of `system df`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage_data: Option<UsageData>,
}

/// The use of a volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct UsageData {
    /// The number of containers with the volume.
    pub ref_count: i64,
    /// Bytes; -1 if they were not counted.
    pub size: i64,
}
