//! The containers that a command has found with a killed monitor, and whose policy starts them again.
//!
//! The command that finds them may be a listing, which runs from a file that a container could write to (CVE-2019-5736).
//! So it only collects them here, and its caller has another process start them, with [`crate::Engine::start_by_policy`].

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Shared by all copies of an engine.
#[derive(Debug, Clone, Default)]
pub struct Comebacks(Arc<Mutex<BTreeSet<String>>>);

impl Comebacks {
    pub(crate) fn add(&self, id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
    }

    /// The container is started or removed by this very command, or is to stay as it is.
    pub(crate) fn forget(&self, id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// The ids collected so far.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect()
    }
}
