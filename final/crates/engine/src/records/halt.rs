//! How the init of a system container is told to end the system.

use serde::{Deserialize, Serialize};

/// How an init is told. This is found out at each start, because the container may have replaced its init.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Halt {
    /// A signal to the first process.
    Signal(i32),
    /// A command in the container, for inits that have no such signal.
    Run(Vec<String>),
}
