//! One command at a time decides which containers, networks and volumes a project has: two that create the same ones would
//! take each other's names, and one that fails would remove what the other has begun to use. Starting containers, and
//! waiting for them, needs no turn, so that `down` need not wait for an `up` that waits.

use std::path::PathBuf;

use hull_engine::Engine;
use hull_storage::lock::Lock;

use crate::error::{Context, Result};

/// The name of a lock file is not longer than the kernel allows.
const LONGEST: usize = 200;

/// Held until it is dropped, or the process ends.
#[derive(Debug)]
pub struct Turn {
    path: PathBuf,
    _lock: Lock,
}

impl Turn {
    /// Waits for the turn of a project.
    ///
    /// # Errors
    ///
    /// The lock file cannot be made, or the process that has the turn is stopped.
    pub fn take(engine: &Engine, project: &str) -> Result<Option<Self>> {
        // Labels may have any name, but no project of files has another one.
        let may_be = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
        if project.is_empty() || project.len() > LONGEST || !project.bytes().all(may_be) {
            return Ok(None);
        }
        let path = engine.root().run().join(format!("compose-{project}.lock"));
        let lock = Lock::exclusive_within(&path, None).map_err(hull_engine::Error::from);
        let lock = lock.context(|| format!("wait for the other commands of project {project}"))?;
        Ok(Some(Self { path, _lock: lock }))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Before the lock is released. One that waits for it finds that the file is gone, and makes a new one.
        let _ = std::fs::remove_file(&self.path);
    }
}
