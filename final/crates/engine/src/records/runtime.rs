//! `--runtime`: the OCI runtime that a container was created for.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A program with runc's command line. A container keeps the one that it was created for, whatever the configuration says
/// later, because only that program knows its own state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RuntimeOption {
    /// As the user gave it, which is what `inspect` shows.
    pub name: String,
    /// The program. Empty until `create` has looked it up.
    pub path: PathBuf,
    /// Its arguments before the verb.
    pub args: Vec<String>,
}
