//! The processes that records name, held by descriptor.

use std::os::fd::OwnedFd;

use hull_storage::process_id::ProcessId;
use hull_sys::process;

use crate::error::{IoContext, Result};

/// A process by descriptor, or `None` when the pid means another one by now.
pub(crate) fn open(id: &ProcessId) -> Result<Option<OwnedFd>> {
    match process::pidfd_open(id.pid) {
        // Looked at after the descriptor is ours: from here on it cannot mean another process.
        Ok(pidfd) => Ok(id.is_alive().then_some(pidfd)),
        Err(nix::errno::Errno::ESRCH) => Ok(None),
        Err(errno) => Err(errno).context(|| format!("open process {}", id.pid)),
    }
}
