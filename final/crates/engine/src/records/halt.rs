//! How the init of a system container is told to end the system.

use serde::{Deserialize, Serialize};

/// What an init understands. It is found at each start, because the program may have been replaced inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Halt {
    /// A signal to the first process.
    Signal(i32),
    /// A command inside, for inits that take no such signal.
    Run(Vec<String>),
}
