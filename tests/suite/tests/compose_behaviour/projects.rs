//! The projects that all engines come up with.

use std::path::{Path, PathBuf};

/// Their names, in the order in which they are played.
#[allow(dead_code, reason = "each suite uses its part")]
pub const ALL: [&str; 7] = ["order", "converge", "shared", "labelled", "hooks", "attached", "attributes"];

pub fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compose_behaviour").join(name)
}
