//! Whether another container shares a container's network namespace, and may keep it past that container's end.

use std::fs::File;

use hull_storage::root::Root;

use crate::error::{IoContext, Result};

/// A file of the container's run directory.
const SHARED: &str = "network.shared";

/// Notes that another container joins this container's network namespace.
pub(crate) fn mark_shared(root: &Root, id: &str) -> Result<()> {
    let path = root.container_run_dir(id).join(SHARED);
    File::create(&path).map(drop).context(|| format!("create {}", path.display()))
}

pub(super) fn is_shared(root: &Root, id: &str) -> bool {
    root.container_run_dir(id).join(SHARED).exists()
}
