//! That a container has a monitor, told by a lock on its directory.
//!
//! The run root, where a monitor writes down that it lives, can be emptied under it: a login manager does so when its
//! user leaves. Two monitors on one writable layer would destroy it, so each holds the layer's directory itself.

use std::fs::File;

use hull_storage::root::Root;
use rustix::fs::{FlockOperation, Mode, OFlags};

use crate::error::{Error, IoContext, Result};
use crate::record::Record;

/// Held for a monitor's life, and let go by the kernel with it.
#[derive(Debug)]
pub(crate) struct Presence {
    _directory: File,
}

impl Presence {
    /// `None` while another monitor lives.
    pub(crate) fn take(root: &Root, id: &str) -> Result<Option<Self>> {
        let path = root.container_dir(id);
        let context = || format!("lock {}", path.display());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(&path, flags, Mode::empty()).context(context)?;
        match rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            locked => locked.context(context).map(|()| Some(Self { _directory: directory.into() })),
        }
    }

    pub(crate) fn refusal(record: &Record) -> Error {
        Error::Unsupported(format!(
            "container {} has a monitor that lives, though its state in the run root is gone; \
             end it first: lslocks tells its pid",
            record.name
        ))
    }
}
