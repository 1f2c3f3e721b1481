//! Working with files as another user, without losing privileges: setfsuid(2), capabilities(7).

use nix::unistd::{Gid, Uid, setfsgid, setfsuid};
use rustix::thread::{capabilities, set_capabilities};

/// Calls `work` with other file system ids and unchanged capabilities. Files that it creates belong to these ids.
///
/// Files can be created on an idmapped mount, or on a file system of another user namespace, only with ids that are mapped
/// there (EOVERFLOW).
pub fn with<T>(uid: u32, gid: u32, work: impl FnOnce() -> T) -> rustix::io::Result<T> {
    let held = capabilities(None)?;
    let own = (setfsuid(Uid::from_raw(uid)), setfsgid(Gid::from_raw(gid)));
    // Leaving user 0 drops the capabilities over files from the effective set.
    let worked = set_capabilities(None, held).map(|()| work());
    setfsuid(own.0);
    setfsgid(own.1);
    set_capabilities(None, held)?;
    worked
}
