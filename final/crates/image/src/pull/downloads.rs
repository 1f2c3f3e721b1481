//! `downloads/`: partly downloaded blobs, by their digest.
//!
//! A command locks the blobs that it downloads and holds the locks until its image is published. A command that waits
//! for a lock then finds the blob in the store. The next pull resumes the download of an interrupted one. Downloads
//! that were not resumed for a week are removed.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use hull_storage::lock::Lock;

use crate::config::Descriptor;
use crate::digest::Digest;
use crate::error::{Error, IoContext, Result};
use crate::staging::Staged;
use crate::store::Images;

const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// The downloads that this command has locked.
pub(super) struct Downloads {
    directory: PathBuf,
    locks: BTreeMap<Digest, Lock>,
}

impl Downloads {
    pub(super) fn new(images: &Images) -> Result<Self> {
        let directory = images.downloads_dir();
        hull_storage::directory::make_dirs(&directory, 0o700)?;
        Ok(Self { directory, locks: BTreeMap::new() })
    }

    /// Locks downloads, and waits for other commands that have locked them. All commands use the same order; otherwise
    /// two of them could wait for each other.
    pub(super) fn claim(&mut self, wanted: &[&Descriptor], waiting: impl Fn(&Digest)) -> Result<()> {
        let mut digests: Vec<&Digest> = wanted.iter().map(|blob| &blob.digest).collect();
        digests.sort();
        digests.dedup();
        for digest in digests {
            let path = self.path(digest);
            let lock = match Lock::try_exclusive(&path)? {
                Some(lock) => lock,
                None => {
                    waiting(digest);
                    Lock::exclusive(&path)?
                }
            };
            self.locks.insert(digest.clone(), lock);
        }
        Ok(())
    }

    /// Releases a download that another command has stored meanwhile.
    pub(super) fn release(&mut self, digest: &Digest) {
        if self.locks.contains_key(digest) {
            let _ = std::fs::remove_file(self.path(digest));
            self.locks.remove(digest);
        }
    }

    pub(super) fn open(&self, digest: &Digest) -> Result<File> {
        let path = self.path(digest);
        let opened = OpenOptions::new().read(true).write(true).open(&path);
        opened.context(|| format!("open {}", path.display()))
    }

    pub(super) fn has(&self, digest: &Digest) -> bool {
        self.locks.contains_key(digest)
    }

    /// A completely downloaded blob.
    pub(super) fn staged(&self, blob: &Descriptor) -> Staged {
        Staged { path: self.path(&blob.digest), digest: blob.digest.clone(), size: blob.size }
    }

    /// Sets the mode of a blob before it is moved to the store, where every user who may pass through may read it.
    pub(super) fn finish(&self, digest: &Digest) -> Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path(digest);
        let mode = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(&path, mode).context(|| format!("store {}", path.display()))
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.directory.join(digest.hex())
    }

    /// Checks that the disk has space for the missing bytes.
    pub(super) fn check_room(&self, wanted: &[&Descriptor]) -> Result<()> {
        let there =
            |blob: &Descriptor| std::fs::metadata(self.path(&blob.digest)).map_or(0, |file| file.len());
        let needed =
            wanted.iter().fold(0u64, |sum, blob| sum.saturating_add(blob.size.saturating_sub(there(blob))));
        let room = rustix::fs::statvfs(&self.directory).context(|| "look for free space".into())?;
        if needed > room.f_bavail.saturating_mul(room.f_frsize) {
            let action = format!("store {needed} bytes of layers");
            return Err(Error::Io { action, source: std::io::Error::from_raw_os_error(nix::libc::ENOSPC) });
        }
        Ok(())
    }
}

impl Drop for Downloads {
    fn drop(&mut self) {
        // Downloads of which nothing was received.
        for digest in self.locks.keys() {
            let path = self.path(digest);
            if std::fs::metadata(&path).is_ok_and(|file| file.len() == 0) {
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

impl Images {
    pub(crate) fn downloads_dir(&self) -> PathBuf {
        self.root().data().join("downloads")
    }

    /// Removes downloads that no command has locked: all of them, or those that were abandoned long ago. Returns the
    /// freed bytes.
    pub(crate) fn collect_downloads(&self, all: bool) -> Result<u64> {
        let mut bytes = 0;
        for entry in std::fs::read_dir(self.downloads_dir()).into_iter().flatten().flatten() {
            let Ok(file) = entry.metadata() else { continue };
            let age = file.modified().ok().and_then(|then| SystemTime::now().duration_since(then).ok());
            if (all || age.is_some_and(|age| age > WEEK)) && Lock::try_exclusive(&entry.path())?.is_some() {
                hull_storage::file::remove(&entry.path())?;
                bytes += file.len();
            }
        }
        Ok(bytes)
    }
}
