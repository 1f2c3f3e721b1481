//! The files of the log: appending, and rotation.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hull_storage::root::Root;
use nix::libc;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// The size from which on a file is replaced by a new one, in bytes. Two such files hold some twenty thousand events.
const ROTATE_AT: u64 = 4 << 20;

/// How many files are kept beside the present one.
const KEPT: usize = 1;

/// The present file.
const NAME: &str = "log";

/// How long a writer waits for a rotation. The lock is held for microseconds, unless its holder is stopped (Ctrl-Z).
const PATIENCE: Duration = Duration::from_millis(250);
const PAUSE: Duration = Duration::from_micros(50);

pub(super) fn directory(root: &Root) -> PathBuf {
    root.run().join("events")
}

/// Appends lines with one write(2), and rotates the file if it has become too large.
///
/// On a full disk a part of the lines may be written. The next append begins with a newline, which ends that part.
pub(super) fn append(directory: &Path, lines: &[u8]) -> io::Result<()> {
    append_and_rotate(directory, lines, ROTATE_AT)
}

pub(super) fn append_and_rotate(directory: &Path, lines: &[u8], rotate_at: u64) -> io::Result<()> {
    let (mut file, before) = open_to_append(directory)?;
    let written = file.write(lines)?;
    if written < lines.len() {
        return Err(io::Error::from_raw_os_error(libc::ENOSPC));
    }
    if before + lines.len() as u64 >= rotate_at {
        // The events are written. If the file could not be replaced, the next writer tries again.
        let _ = rotate(directory, &file);
    }
    Ok(())
}

/// The present file, with a shared lock that keeps it the present one, and its size.
fn open_to_append(directory: &Path) -> io::Result<(File, u64)> {
    let path = directory.join(NAME);
    let mut options = OpenOptions::new();
    // Without O_NONBLOCK the open would wait for ever for the reader of a FIFO that has the file's name.
    options.append(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    loop {
        let file = match options.open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                make(directory)?;
                options.open(&path)?
            }
            opened => opened?,
        };
        lock_shared(&file)?;
        let ours = file.metadata()?;
        if !ours.is_file() {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        if leads_to(&path, &ours)? {
            return Ok((file, ours.len()));
        }
    }
}

/// Creates the log's directory. It is made by the first event and the first reader, so that a start does not ask for it.
pub(super) fn make(directory: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Waits for a rotation that is under way, but not for one whose process is stopped. Such a process holds up nobody: the
/// worst that follows is a line at the end of a file that a reader has just left.
fn lock_shared(file: &File) -> io::Result<()> {
    let mut deadline = None;
    loop {
        match flock(file, FlockOperation::NonBlockingLockShared) {
            Err(Errno::WOULDBLOCK)
                if *deadline.get_or_insert_with(|| Instant::now() + PATIENCE) > Instant::now() =>
            {
                std::thread::sleep(PAUSE);
            }
            Err(Errno::WOULDBLOCK) => return Ok(()),
            Err(Errno::INTR) => {}
            locked => return Ok(locked?),
        }
    }
}

/// Renames the file out of the way; the next writer makes a new one. While another process holds the lock, nothing is
/// done: the next writer finds that the file is too large.
fn rotate(directory: &Path, file: &File) -> io::Result<()> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => return Ok(()),
        locked => locked?,
    }
    let path = directory.join(NAME);
    // To change the lock, the kernel releases the shared one first (flock(2)), so another writer may have been faster.
    if !leads_to(&path, &file.metadata()?)? {
        return Ok(());
    }
    let old = old_numbers(directory)?;
    fs::rename(&path, old_path(directory, next_number(&old)))?;
    let surplus = (old.len() + 1).saturating_sub(KEPT);
    old.iter().take(surplus).try_for_each(|number| fs::remove_file(old_path(directory, *number)))
}

fn leads_to(path: &Path, ours: &fs::Metadata) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn old_path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{NAME}.{number}"))
}

/// The numbers of the old files, in the order in which they were written.
fn old_numbers(directory: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(NAME)?.strip_prefix('.'));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The number of the next file. A file with the last number that there is was not made here, and is replaced.
pub(super) fn next_number(old: &[u64]) -> u64 {
    old.last().map_or(1, |last| last.saturating_add(1))
}

/// The files at one moment.
pub(super) struct Files {
    /// Those that are no longer written, each with its number, oldest first.
    pub old: Vec<(u64, File)>,
    /// The present one; `None` until the first event after a rotation.
    pub present: Option<File>,
}

/// Opens all files. Between two rotations, so that none is missing among them.
pub(super) fn open_all(directory: &Path) -> io::Result<Files> {
    loop {
        let present = open_to_read(&directory.join(NAME))?;
        present.as_ref().map_or(Ok(()), lock_shared)?;
        let mut old = Vec::new();
        for number in old_numbers(directory)? {
            old.extend(open_old(&old_path(directory, number))?.map(|file| (number, file)));
        }
        let is_unchanged = match &present {
            Some(file) => is_present(directory, file)?,
            None => !directory.join(NAME).exists(),
        };
        if let Some(file) = &present {
            rustix::fs::flock(file, FlockOperation::Unlock)?;
        }
        if is_unchanged {
            return Ok(Files { old, present });
        }
    }
}

/// Whether the file is the present one.
pub(super) fn is_present(directory: &Path, file: &File) -> io::Result<bool> {
    leads_to(&directory.join(NAME), &file.metadata()?)
}

/// Whether there is a present file. After a rotation there is none until the next event.
pub(super) fn has_present(directory: &Path) -> bool {
    directory.join(NAME).exists()
}

/// `None` also for what has the name of an old file and is none: it has no events, and must not hide those of the others.
fn open_old(path: &Path) -> io::Result<Option<File>> {
    match open_to_read(path) {
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => Ok(None),
        Ok(Some(file)) if !file.metadata()?.is_file() => Ok(None),
        opened => opened,
    }
}

fn open_to_read(path: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    match options.open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        opened => Ok(Some(opened?)),
    }
}
