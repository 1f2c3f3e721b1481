//! Doing something inside another network namespace, and coming back. See network_namespaces(7), setns(2).
//!
//! What belongs to a namespace is decided when it is opened: a socket stays in the namespace it was made in, and a file
//! below /proc/sys/net is that of the namespace of who opens it. So going in for a moment is enough.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::error::{Context, Result};

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

/// Runs `inside` in the namespace. Only the calling thread moves.
///
/// Should the way back be barred, which nothing but a lost capability can do, the error says so and the caller must
/// touch no network any more.
pub fn within<T>(namespace: BorrowedFd<'_>, inside: impl FnOnce() -> Result<T>) -> Result<T> {
    let home = current()?;
    hull_sys::process::setns(namespace, libc::CLONE_NEWNET)
        .context(|| "enter the container's network namespace".into())?;
    let result = inside();
    hull_sys::process::setns(home.as_fd(), libc::CLONE_NEWNET)
        .context(|| "come back from the container's network namespace".into())?;
    result
}
