//! Lists and descriptions in podman's layout, which its clients read: see [`crate::persona`].
//!
//! ```text
//! containers   ps --format json     images   images --format json     system   info, version
//! ```

pub mod containers;
pub mod images;
pub mod system;

use std::time::{SystemTime, UNIX_EPOCH};

/// Go's zero time in seconds: podman's value for what has not happened.
const NEVER: i64 = -62_135_596_800;

fn seconds(time: Option<SystemTime>) -> i64 {
    let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or(NEVER)
}
