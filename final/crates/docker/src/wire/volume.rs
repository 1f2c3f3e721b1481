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
}
