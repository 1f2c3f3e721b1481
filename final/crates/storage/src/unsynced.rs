//! `unsynced` in a layer's directory: the layer is visible, and may not be on the disk yet.

use std::fs;
use std::path::Path;

use crate::boot::boot_id;

/// The file that names the boot in which the layer was made.
pub(crate) const UNSYNCED: &str = "unsynced";

/// Whether a crash may have damaged the layer: it was made in an earlier boot and never synced.
pub(crate) fn is_stale(layer: &Path) -> bool {
    match fs::read_to_string(layer.join(UNSYNCED)) {
        Ok(boot) => boot_id().is_ok_and(|current| boot != current),
        Err(_) => false,
    }
}
