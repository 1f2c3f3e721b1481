//! Entering another network namespace for a moment. See network_namespaces(7) and setns(2).
//!
//! A socket belongs to the network namespace in which it was created, and a file below /proc/sys/net shows the namespace of
//! the process that opens it. It is therefore enough to be inside while the socket or the file is opened.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::error::{Error, IoContext, Result};

/// The calling thread's own network namespace.
pub fn current() -> Result<OwnedFd> {
    // Not /proc/self: that is the first thread's.
    open("/proc/thread-self/ns/net")
}

/// The network namespace of a process.
pub fn of_process(pid: i32) -> Result<OwnedFd> {
    open(&format!("/proc/{pid}/ns/net"))
}

fn open(path: &str) -> Result<OwnedFd> {
    Ok(File::open(path).context(|| format!("open {path}"))?.into())
}

/// Runs `inside` in the namespace and returns to the caller's own. Only the calling thread moves.
///
/// Returning can only fail if a capability was lost meanwhile. The error says so, and the caller must not touch any
/// network afterwards, because it would be the wrong one.
pub fn within<T, E: From<Error>>(
    namespace: BorrowedFd<'_>,
    inside: impl FnOnce() -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    let home = current()?;
    hull_sys::process::setns(namespace, libc::CLONE_NEWNET)
        .context(|| "enter the container's network namespace".into())?;
    let result = inside();
    hull_sys::process::setns(home.as_fd(), libc::CLONE_NEWNET)
        .context(|| "come back from the container's network namespace".into())?;
    result
}
