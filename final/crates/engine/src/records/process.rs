//! The processes that records name, held by descriptor.

use std::os::fd::OwnedFd;

use hull_storage::process_id::ProcessId;
use hull_sys::process;

use crate::error::{IoContext, Result};

/// Opens a process. `None` if it has ended; its pid may then belong to another process.
pub(crate) fn open(id: &ProcessId) -> Result<Option<OwnedFd>> {
    match process::pidfd_open(id.pid) {
        // Checked after the descriptor is open, because a descriptor cannot come to mean another process.
        Ok(pidfd) => Ok(id.is_alive().then_some(pidfd)),
        Err(nix::errno::Errno::ESRCH) => Ok(None),
        Err(errno) => Err(errno).context(|| format!("open process {}", id.pid)),
    }
}
