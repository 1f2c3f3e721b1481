//! /dev/shm of another container: shared memory is files there, and sharing the IPC namespace alone would not share
//! them.

use std::fs::File;
use std::path::{Path, PathBuf};

use hull_runtime::DetachedMount;

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
    // The path is resolved below the other container's root, so a symlink there leads nowhere else.
    let tree = hull_runtime::clone_from(&theirs, Path::new(SHARED_MEMORY), true).context(context)?;
    Ok(vec![DetachedMount { destination: PathBuf::from(SHARED_MEMORY), tree }])
}
