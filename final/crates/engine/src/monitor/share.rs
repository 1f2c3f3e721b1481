//! /dev/shm of another container: shared memory is files there, and sharing the IPC namespace alone would not share
//! them.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use hull_runtime::DetachedMount;
use hull_sys::process;
use nix::libc::CLONE_NEWNS;

use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::records::options::NamespaceMode;
use crate::records::record::Record;
use crate::spec;

const SHARED_MEMORY: &str = "/dev/shm";

/// What `--ipc container:NAME` attaches; nothing where the user mounts something else there.
pub(super) fn detached_mounts(engine: &Engine, record: &Record) -> Result<Vec<DetachedMount>> {
    let NamespaceMode::Container(other) = &record.options.ipc else { return Ok(vec![]) };
    if record.mounts.iter().any(|mount| mount.destination == Path::new(SHARED_MEMORY)) {
        return Ok(vec![]);
    }
    let (name, init) = spec::init_of(engine, other, "share memory with")?;
    let context = || format!("share {SHARED_MEMORY} with {name}");
    let theirs = File::open(format!("/proc/{}/ns/mnt", init.pid)).context(context)?;
    if !init.is_alive() {
        return Err(Error::NoSuchContainer(name));
    }
    let tree = clone_inside(&theirs).context(context)?;
    Ok(vec![DetachedMount { destination: PathBuf::from(SHARED_MEMORY), tree }])
}

/// Goes into the other mount namespace and comes back: a mount is cloned only from the namespace it is in. The path
/// is resolved below the other container's root, so a symlink there leads nowhere else.
fn clone_inside(theirs: &File) -> nix::Result<OwnedFd> {
    let errno = |error: std::io::Error| nix::errno::Errno::from_raw(error.raw_os_error().unwrap_or(0));
    let own = File::open("/proc/self/ns/mnt").map_err(errno)?;
    process::setns(theirs.as_fd(), CLONE_NEWNS)?;
    let tree = hull_sys::mount::clone_tree(rustix::fs::CWD, c"/dev/shm", true);
    process::setns(own.as_fd(), CLONE_NEWNS)?;
    tree
}
