//! One lock file per object, locked with flock(2). The kernel releases the lock when its holder dies.
//!
//! A lock covers a state transition and never a wait for something to happen. The file may be removed together with
//! its object, so a lock counts only when its path still leads to the file that was locked.
//!
//! flock(2) has no timeout, and a holder that somebody has stopped (Ctrl-Z) never releases the lock. So a lock that may
//! be held for long is polled, and a stopped holder is an error.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;

use crate::error::{Error, IoContext, Result};
use crate::file;
use crate::process_id::ProcessId;

/// How long a holder may be stopped before it is reported. A debugger stops a process for moments only.
const STOPPED_TIMEOUT: Duration = Duration::from_secs(2);

/// The longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_millis(5);

/// A held lock. It is released with the last descriptor of its open file. A forked child therefore holds it too until
/// the child drops it or exits, and neither process releases it for the other.
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
    /// Waits until nobody else holds the lock. A missing file is created; its directory must exist.
    pub fn exclusive(path: &Path) -> Result<Self> {
        Ok(acquire(path, FlockOperation::LockExclusive)?.expect("a blocking lock is granted or fails"))
    }

    /// Like [`Self::exclusive`], but fails if the holder is stopped, or has not released the lock within `timeout`.
    pub fn exclusive_within(path: &Path, timeout: Option<Duration>) -> Result<Self> {
        acquire_within(path, FlockOperation::NonBlockingLockExclusive, timeout)
    }

    /// Like [`Self::shared`], but fails if the holder is stopped.
    pub fn shared_unless_stopped(path: &Path) -> Result<Self> {
        acquire_within(path, FlockOperation::NonBlockingLockShared, None)
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

fn acquire_within(path: &Path, operation: FlockOperation, timeout: Option<Duration>) -> Result<Lock> {
    let started = Instant::now();
    let mut pause = Duration::from_micros(100);
    // Reading /proc/locks blocks all file locks of the machine for a moment, so it is read rarely.
    let mut look = started + STOPPED_TIMEOUT;
    let mut stopped = None;
    loop {
        if let Some(lock) = acquire(path, operation)? {
            return Ok(lock);
        }
        let now = Instant::now();
        let is_over = timeout.is_some_and(|timeout| now - started >= timeout);
        if now >= look || is_over {
            let holder = File::open(path).ok().and_then(|file| holders(&file).into_iter().next());
            let is_stopped = holder.as_ref().is_some_and(ProcessId::is_stopped);
            if is_over || is_stopped && stopped == holder {
                let holder = holder.map_or(0, |holder| holder.pid);
                return Err(Error::Held { path: path.to_owned(), holder, is_stopped });
            }
            stopped = holder.filter(|_| is_stopped);
            look = now + STOPPED_TIMEOUT / 4;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

/// The processes that hold an exclusive flock(2) on an open file, by `/proc/locks` (proc_locks(5)).
///
/// Processes of other pid namespaces are not listed.
pub fn holders(file: &File) -> Vec<ProcessId> {
    let Ok(meta) = file.metadata() else { return vec![] };
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let held = locks.lines().filter_map(|line| {
        // `1: FLOCK  ADVISORY  WRITE 1234 00:2e:5678 0 EOF`; a waiting process has `->` in front.
        let mut fields = line.split_whitespace().skip(1);
        let is_flock = fields.next() == Some("FLOCK") && fields.next().is_some();
        let is_exclusive = fields.next() == Some("WRITE");
        let pid = fields.next()?.parse::<i32>().ok()?;
        let (device, inode) = fields.next()?.rsplit_once(':')?;
        (is_flock && is_exclusive && inode.parse() == Ok(meta.ino())).then_some((pid, device.to_owned()))
    });
    let device = format!("{:02x}:{:02x}", rustix::fs::major(meta.dev()), rustix::fs::minor(meta.dev()));
    let found = held.filter(|(pid, found)| *found == device || has_open(*pid, &meta));
    found.filter_map(|(pid, _)| ProcessId::of(pid).ok()).collect()
}

/// For file systems on which stat(2) and `/proc/locks` show different devices (btrfs).
fn has_open(pid: i32, meta: &fs::Metadata) -> bool {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let mut open = entries.filter_map(|entry| fs::metadata(entry.path()).ok());
    open.any(|file| (file.dev(), file.ino()) == (meta.dev(), meta.ino()))
}

/// Locks a file or directory that exists, so that nobody removes it, until the result is closed. `None` if it is not
/// there.
pub fn hold(path: &Path) -> Result<Option<File>> {
    let context = || format!("hold {}", path.display());
    loop {
        let file = match file::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.context(context)?,
        };
        let locked = rustix::io::retry_on_intr(|| rustix::fs::flock(&file, FlockOperation::LockShared));
        locked.context(context)?;
        // The process that had the lock before may have removed it, and another may have made it again.
        if leads_to(path, &file).context(context)? {
            return Ok(Some(file));
        }
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
        // The last holder may have removed the object, and another command created it again. Then the path leads to
        // another lock file.
        if leads_to(path, &file)? {
            return Ok(Some(Lock { file }));
        }
    }
}

/// Whether the path still leads to the open file.
pub fn leads_to(path: &Path, file: &File) -> io::Result<bool> {
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
    fn the_holder_of_a_lock_is_found() {
        let scratch = Scratch::new();
        let path = scratch.path().join("lock");
        let held = Lock::exclusive(&path).unwrap();
        let holders = |path| holders(&File::open(path).unwrap());
        assert_eq!(holders(&path), [ProcessId::of_self().unwrap()]);
        drop(held);
        assert_eq!(holders(&path), []);
    }

    #[test]
    fn the_timeout_ends_the_wait_and_the_error_names_the_holder() {
        let scratch = Scratch::new();
        let path = scratch.path().join("lock");
        let _held = Lock::exclusive(&path).unwrap();
        let error = Lock::exclusive_within(&path, Some(Duration::from_millis(20))).unwrap_err();
        let own = std::process::id() as i32;
        assert!(matches!(error, Error::Held { holder, is_stopped: false, .. } if holder == own), "{error}");
    }

    #[test]
    fn a_lock_whose_directory_is_gone_is_an_error_and_no_endless_loop() {
        let scratch = Scratch::new();
        assert!(Lock::exclusive(&scratch.path().join("gone/lock")).is_err());
    }
}
