//! The lock that shows that a container has a monitor: `flock` on the directory of its writable layer.
//!
//! A monitor records itself in the run root, which can be emptied while the monitor lives: a login manager does so when its
//! user logs out, and a shell without `XDG_RUNTIME_DIR` uses another run root. Two monitors on one writable layer would
//! destroy it, so each holds a lock on the layer's directory, and the kernel says which process holds it (`/proc/locks`).

use std::fs::File;
use std::os::fd::AsFd;
use std::time::Duration;

use hull_storage::lock;
use hull_storage::process_id::ProcessId;
use hull_storage::root::Root;
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::error::{Error, IoContext, Result};

/// A command that only checks the lock holds it for a moment, so a busy lock is tried again.
const ATTEMPTS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(2);

/// Held for as long as the monitor lives; the kernel releases it when the monitor dies.
#[derive(Debug)]
pub(crate) struct MonitorLock {
    _directory: File,
}

impl MonitorLock {
    /// `None` while another monitor lives.
    pub(crate) fn take(root: &Root, id: &str) -> Result<Option<Self>> {
        let directory = open(root, id)?;
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                std::thread::sleep(PAUSE);
            }
            match rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) => {}
                locked => {
                    locked.context(|| format!("lock the directory of container {id}"))?;
                    return Ok(Some(Self { _directory: directory }));
                }
            }
        }
        Ok(None)
    }

    /// The monitor that holds the container's directory. `None` if there is none, or if it is in a pid namespace that
    /// is not visible from here.
    pub(crate) fn holder(root: &Root, id: &str) -> Option<ProcessId> {
        let directory = open(root, id).ok()?;
        match rustix::fs::flock(&directory, FlockOperation::NonBlockingLockShared) {
            Err(Errno::WOULDBLOCK) => lock::holders(&directory).into_iter().next(),
            _ => None,
        }
    }

    /// Whether a monitor holds the container's directory, which is open.
    pub(crate) fn is_held(directory: impl AsFd) -> bool {
        rustix::fs::flock(directory, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK)
    }

    pub(crate) fn refusal(root: &Root, id: &str, name: &str) -> Error {
        let pid = Self::holder(root, id).map(|monitor| monitor.pid);
        Error::MonitorAlive { name: name.to_owned(), pid }
    }
}

fn open(root: &Root, id: &str) -> Result<File> {
    let path = root.container_dir(id);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::open(&path, flags, Mode::empty()) {
        Err(Errno::NOENT) => Err(Error::NoSuchContainer(id.to_owned())),
        opened => Ok(opened.context(|| format!("open {}", path.display()))?.into()),
    }
}
