//! For tests alone.

use nix::errno::Errno;
use nix::libc;

use crate::process::Fork;

/// fork(2) in a test, whose harness has threads: the child may use no lock that another thread may have held, and ends by
/// [`crate::process::exit_now`].
pub fn fork() -> nix::Result<Fork> {
    // SAFETY: tests only, whose children do little more than one call.
    match Errno::result(unsafe { libc::fork() })? {
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent { pid }),
    }
}
