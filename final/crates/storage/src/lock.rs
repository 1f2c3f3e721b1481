//! One lock file per object, by flock(2): the kernel lets go of it when its holder dies.
//!
//! A lock covers a state transition and never a wait for something to happen. The file may be removed together with
//! its object, so a lock counts only when its path still leads to the file that was locked.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::FlockOperation;

use crate::error::{Context, Result};

/// A held lock. It goes with the last descriptor of its open file: a forked child holds it too, until it drops or
/// exits, and dropping it in one of them does not take it from the other.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

/// For a forked child that closes what it does not keep.
impl AsFd for Lock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Lock {
    /// Waits until nobody else holds the lock. The file is created where there is none; its directory must exist.
    pub fn exclusive(path: &Path) -> Result<Self> {
        Ok(acquire(path, FlockOperation::LockExclusive)?.expect("a blocking lock is granted or fails"))
    }

    /// `None` when somebody else holds it.
    pub fn try_exclusive(path: &Path) -> Result<Option<Self>> {
        acquire(path, FlockOperation::NonBlockingLockExclusive)
    }

    /// Waits until nobody holds it exclusively.
    pub fn shared(path: &Path) -> Result<Self> {
        Ok(acquire(path, FlockOperation::LockShared)?.expect("a blocking lock is granted or fails"))
    }
}

fn acquire(path: &Path, operation: FlockOperation) -> Result<Option<Lock>> {
    acquire_current(path, operation).context(|| format!("lock {}", path.display()))
}

fn acquire_current(path: &Path, operation: FlockOperation) -> io::Result<Option<Lock>> {
    loop {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(path)?;
        match rustix::io::retry_on_intr(|| rustix::fs::flock(&file, operation)) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        // The last holder may have removed the object, and somebody made it anew: that lock is another one.
        if leads_to(path, &file)? {
            return Ok(Some(Lock { file }));
        }
    }
}

fn leads_to(path: &Path, file: &File) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scratch;
    use std::time::Duration;

    #[test]
    fn a_second_taker_is_refused_until_the_first_lets_go() {
        let scratch = Scratch::new();
        let path = scratch.path().join("lock");
        let held = Lock::exclusive(&path).unwrap();
        assert!(Lock::try_exclusive(&path).unwrap().is_none());
        drop(held);
        assert!(Lock::try_exclusive(&path).unwrap().is_some());
    }

    #[test]
    fn shared_locks_go_together_and_keep_an_exclusive_one_out() {
        let scratch = Scratch::new();
        let path = scratch.path().join("lock");
        let _one = Lock::shared(&path).unwrap();
        let _two = Lock::shared(&path).unwrap();
        assert!(Lock::try_exclusive(&path).unwrap().is_none());
    }

    #[test]
    fn a_waiter_does_not_take_the_lock_of_a_file_that_was_removed() {
        let scratch = Scratch::new();
        let path = scratch.path().join("lock");
        let held = Lock::exclusive(&path).unwrap();
        let waiter = std::thread::spawn({
            let path = path.clone();
            move || {
                let lock = Lock::exclusive(&path).unwrap();
                assert!(leads_to(&path, &lock.file).unwrap());
            }
        });
        std::thread::sleep(Duration::from_millis(50));
        fs::remove_file(&path).unwrap();
        drop(held);
        waiter.join().unwrap();
    }

    #[test]
    fn a_lock_whose_directory_is_gone_is_an_error_and_no_endless_loop() {
        let scratch = Scratch::new();
        assert!(Lock::exclusive(&scratch.path().join("gone/lock")).is_err());
    }
}
