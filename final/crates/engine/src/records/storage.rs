//! The options of a container's own files.

use serde::{Deserialize, Serialize};

/// Where a container's files are, and how many bytes they may have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StorageOptions {
    pub pool: Option<String>,
    pub size: Option<u64>,
}

impl StorageOptions {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
