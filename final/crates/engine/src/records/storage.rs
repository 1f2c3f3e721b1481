//! The options for a container's own files: their pool and their size.

use serde::{Deserialize, Serialize};

/// The storage pool of a container's files, and how many bytes they may take.
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
