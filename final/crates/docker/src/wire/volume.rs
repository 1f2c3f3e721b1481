//! A volume.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::nullable;

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
