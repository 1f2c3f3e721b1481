//! Where a container's output is kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// `--log-driver` and `--log-opt`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogOptions {
    pub driver: LogDriver,
    /// Bytes; a file that would grow past it is rotated.
    pub max_size: Option<u64>,
    /// How many files there are with the current one.
    pub max_file: Option<u32>,
    /// All options, also those above, as they were given or are the default. Older records lack them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogDriver {
    #[default]
    JsonFile,
    Local,
    Journald,
    None,
}
