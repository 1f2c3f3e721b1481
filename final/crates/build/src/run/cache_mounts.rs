//! The directories of `--mount=type=cache`, which outlive builds.
//!
//! ```text
//! build/mounts/<hash>/mount.json    the id, and what else makes it a cache of its own
//!                     <n>/data      its files; n is 0, or higher if the ones before are in use and may not be shared
//!                         lock      locked by each step that has it mounted; its time is that of the last use
//! ```
//!
//! A lock is held by the step's monitor, so it ends with the step and not with the builder.

use std::fs::{self, File, OpenOptions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hull_image::Digest;
use hull_storage::directory::make_dirs;
use hull_storage::file::write_json_atomic;
use hull_storage::root::Root;
use hull_storage::staging::{self, Staging};
use hull_storage::tree::copy_tree;
use rustix::fs::{FlockOperation, Mode};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::dockerfile::mount::Sharing;
use crate::error::IoContext;

/// What makes a cache one of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CacheMount {
    /// The id that the Dockerfile gives it, or else its target.
    pub id: String,
    /// The key of the files that it begins with.
    pub seed: Option<String>,
    pub uid: u32,
    pub gid: u32,
    pub mode: u32,
}

/// The cache mounts of a root.
#[derive(Debug)]
pub struct CacheMounts {
    dir: PathBuf,
}

/// A cache that a step has mounted.
#[derive(Debug)]
pub struct MountedCache {
    pub data: PathBuf,
    /// Closed when the step has ended.
    pub lock: OwnedFd,
}

impl CacheMounts {
    pub fn of(root: &Root) -> Self {
        Self { dir: root.data().join("build/mounts") }
    }

    /// Takes a directory of the cache, and makes it if there is none that is free. `seed` has its first files.
    pub fn take(&self, cache: &CacheMount, sharing: Sharing, seed: Option<&Path>) -> Result<MountedCache> {
        let identity = serde_json::to_vec(cache).map_err(std::io::Error::from);
        let hash = Digest::of(&identity.context(|| "describe a cache mount".into())?);
        let dir = self.dir.join(hash.hex());
        make_dirs(&dir, 0o700)?;
        staging::collect(&dir)?;
        if !dir.join("mount.json").exists() {
            write_json_atomic(&dir.join("mount.json"), cache)?;
        }
        for number in 0_u32.. {
            let one = dir.join(number.to_string());
            loop {
                if !one.exists() {
                    make(&dir, &one, cache, seed)?;
                }
                match lock(&one, sharing)? {
                    Outcome::Locked(lock) => return Ok(MountedCache { data: one.join("data"), lock }),
                    Outcome::Busy => break,
                    // The next one instead would be a second directory for a cache that is locked.
                    Outcome::Pruned => {}
                }
            }
        }
        Err(crate::Error::Unsupported("no cache mount is left".into()))
    }
}

/// Makes the directory under another name and renames it, so that a killed build leaves no partial one.
fn make(parent: &Path, target: &Path, cache: &CacheMount, seed: Option<&Path>) -> Result<()> {
    let staged = Staging::new(parent)?;
    let data = staged.path().join("data");
    let context = || format!("make {}", target.display());
    match seed {
        Some(seed) => copy_tree(seed, &data)?,
        None => {
            make_dirs(&data, 0o755)?;
            std::os::unix::fs::chown(&data, Some(cache.uid), Some(cache.gid)).context(context)?;
            rustix::fs::chmod(&data, Mode::from_raw_mode(cache.mode & 0o7777)).context(context)?;
        }
    }
    File::create_new(staged.path().join("lock")).context(context)?;
    staged.publish(target)?;
    Ok(())
}

enum Outcome {
    Locked(OwnedFd),
    /// Another step has it and it may not be shared.
    Busy,
    /// It was removed meanwhile.
    Pruned,
}

/// Waits only for a cache that has one directory.
fn lock(one: &Path, sharing: Sharing) -> Result<Outcome> {
    let path = one.join("lock");
    let context = || format!("lock {}", path.display());
    let file = OpenOptions::new().write(true).custom_flags(nix::libc::O_NOFOLLOW).open(&path);
    let file = match file {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !one.exists() => {
            return Ok(Outcome::Pruned);
        }
        file => file.context(context)?,
    };
    let operation = match sharing {
        Sharing::Shared => FlockOperation::NonBlockingLockShared,
        Sharing::Private => FlockOperation::NonBlockingLockExclusive,
        Sharing::Locked => FlockOperation::LockExclusive,
    };
    match rustix::io::retry_on_intr(|| rustix::fs::flock(&file, operation)) {
        Err(rustix::io::Errno::WOULDBLOCK) => return Ok(Outcome::Busy),
        locked => locked.context(context)?,
    }
    // Pruning removes a cache under its lock, and then the path leads to nothing or to a new one.
    let is_same = fs::metadata(&path).is_ok_and(|found| {
        use std::os::unix::fs::MetadataExt;
        file.metadata().is_ok_and(|own| (own.dev(), own.ino()) == (found.dev(), found.ino()))
    });
    if !is_same {
        return Ok(Outcome::Pruned);
    }
    // When it was used last decides what is pruned first.
    file.set_modified(SystemTime::now()).context(context)?;
    Ok(Outcome::Locked(file.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(name: &str) -> (PathBuf, CacheMounts) {
        let base = std::env::temp_dir().join(format!("hull-cache-mounts-{name}-{}", std::process::id()));
        let root = Root::open(&base.join("data"), &base.join("run")).unwrap();
        (base, CacheMounts::of(&root))
    }

    #[test]
    fn sharing_decides_who_gets_which_directory() {
        let (base, store) = store("sharing");
        let cache = CacheMount { id: "/c".into(), seed: None, uid: 0, gid: 0, mode: 0o755 };
        let take = |sharing| store.take(&cache, sharing, None).unwrap();
        let (one, two) = (take(Sharing::Shared), take(Sharing::Shared));
        assert_eq!(one.data, two.data);
        let private = take(Sharing::Private);
        assert_ne!(private.data, one.data);
        drop((one, two));
        assert_ne!(take(Sharing::Private).data, private.data);
        drop(private);
        let locked = take(Sharing::Locked);
        // A shared one does not wait for a locked one.
        assert_ne!(take(Sharing::Shared).data, locked.data);
        std::fs::remove_dir_all(base).unwrap();
    }

    #[test]
    fn one_that_waits_for_a_cache_that_is_pruned_gets_a_new_one_in_its_place() {
        let (base, store) = store("pruned");
        let cache = CacheMount { id: "/c".into(), seed: None, uid: 0, gid: 0, mode: 0o755 };
        let first = store.take(&cache, Sharing::Locked, None).unwrap();
        let place = first.data.parent().unwrap().to_owned();
        let second = std::thread::scope(|scope| {
            let waits = scope.spawn(|| store.take(&cache, Sharing::Locked, None).unwrap());
            // Pruning removes it under its lock, whether the other one waits already or not.
            std::fs::rename(&place, base.join("pruned")).unwrap();
            drop(first.lock);
            waits.join().unwrap()
        });
        assert_eq!(second.data.parent(), Some(&*place));
        std::fs::remove_dir_all(base).unwrap();
    }

    #[test]
    fn another_owner_is_another_cache() {
        let (base, store) = store("owner");
        let cache = CacheMount { id: "/c".into(), seed: None, uid: 0, gid: 0, mode: 0o755 };
        let other = CacheMount { mode: 0o700, ..cache.clone() };
        let take = |cache| store.take(cache, Sharing::Shared, None).unwrap();
        let (one, two) = (take(&cache), take(&other));
        assert_ne!(one.data, two.data);
        use std::os::unix::fs::MetadataExt;
        assert_eq!(two.data.metadata().unwrap().mode() & 0o7777, 0o700);
        std::fs::remove_dir_all(base).unwrap();
    }
}
