//! The records of steps on disk, below `build` in the data root.
//!
//! ```text
//! build/steps/<key>.json   a record; the time of its file is the time of its last use
//!             <key>.files  the files that the step has read, with the digest of each
//!       locks/<key>        held by the process that runs the step
//!       running/<build>    locked while a build runs; what was used since its file was made is not pruned
//!       last/<place>       the key of the step that was last built at a place of a Dockerfile
//!       recording.lock     shared by builds that record a step and publish its layer, exclusive while layers are given up
//! ```
//!
//! Records are not synced. After a crash a damaged record, and one whose layer is missing, is no record.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use hull_image::Digest;
use hull_storage::directory::make_dirs;
use hull_storage::file;
use hull_storage::layers::LayerStore;
use hull_storage::lock::{Lock, leads_to};
use hull_storage::root::Root;

use super::key::Key;
use super::record::{FORMAT, Record};
use crate::context::Listing;
use crate::error::{IoContext, Result};

#[derive(Debug, Clone)]
pub struct Cache {
    dir: PathBuf,
    layers: LayerStore,
}

/// The right to run the step of one key. The others that want the same step wait for it.
#[derive(Debug)]
pub struct StepLock {
    path: PathBuf,
    _lock: Lock,
}

impl Drop for StepLock {
    fn drop(&mut self) {
        // The file goes while it is locked: one who waits for it sees that its path leads elsewhere, and locks the new one.
        let _ = fs::remove_file(&self.path);
    }
}

/// The right to record steps. While it is held, pruning gives up no layers.
#[derive(Debug)]
pub struct Recording {
    _lock: Lock,
}

/// A build that runs.
#[derive(Debug)]
pub struct RunningBuild {
    path: PathBuf,
    _lock: Lock,
}

impl Drop for RunningBuild {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

static COUNT: AtomicU32 = AtomicU32::new(0);

impl Cache {
    /// Opens the cache and creates its directories.
    pub fn open(root: &Root) -> Result<Self> {
        let dir = root.data().join("build");
        for name in ["steps", "locks", "running", "last"] {
            make_dirs(&dir.join(name), 0o700)?;
        }
        Ok(Self { dir, layers: LayerStore::new(root) })
    }

    /// `build` in the data root.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The record of a key, if the layer is still there. It counts as used.
    pub fn find(&self, key: &Key) -> Option<Record> {
        let path = self.path(key);
        let file = file::open(&path).ok()?;
        // Pruning takes the file's name away before it looks at this time. Only if the file still has the name is it certain
        // that it has seen the time, and leaves the layer. Another build may have given the name to a new record, of a layer
        // of its own.
        let _ = file.set_modified(SystemTime::now());
        let record: Record = serde_json::from_reader(std::io::BufReader::new(&file)).ok()?;
        let chain = record.layer.chain_id.hex();
        let is_whole = record.format == FORMAT && self.layers.has(chain) && self.layers.is_of_step(chain);
        (is_whole && leads_to(&path, &file).ok()?).then_some(record)
    }

    /// The record of a key, whether its layer is there or not.
    pub fn read(&self, key: &Key) -> Option<Record> {
        let record: Record = file::read_json(&self.path(key)).ok()??;
        (record.format == FORMAT).then_some(record)
    }

    /// Waits until nobody else runs the step of this key.
    pub fn lock(&self, key: &Key) -> Result<StepLock> {
        let path = self.dir.join("locks").join(key.hex());
        Ok(StepLock { _lock: Lock::exclusive(&path)?, path })
    }

    /// Whether a build is running the step of this key.
    pub fn is_locked(&self, key: &Key) -> bool {
        let path = self.dir.join("locks").join(key.hex());
        path.exists() && Lock::try_exclusive(&path).is_ok_and(|lock| lock.is_none())
    }

    /// Begins to record a step whose layer is there, or is published before the result is dropped. Equal steps make equal
    /// layers, so the layer may be one that pruning is about to give up, because it has read the records before.
    pub fn begin_record(&self) -> Result<Recording> {
        Ok(Recording { _lock: Lock::shared(&self.recording_lock())? })
    }

    fn recording_lock(&self) -> PathBuf {
        self.dir.join("recording.lock")
    }

    /// Adds a record, with the list of the files that the step has read, for [`super::why`].
    pub fn add(&self, _recording: &Recording, key: &Key, record: &Record, listing: &Listing) -> Result<()> {
        if !listing.0.is_empty() {
            file::write_atomic(&self.listing_path(key), listing.0.as_bytes(), 0o600)?;
        }
        Ok(file::write_json_atomic(&self.path(key), record)?)
    }

    /// The list of the files that a step has read. Empty if it has read none.
    pub fn listing(&self, key: &Key) -> Listing {
        Listing(fs::read_to_string(self.listing_path(key)).unwrap_or_default())
    }

    /// All keys, with the time of the last use.
    pub fn keys(&self) -> Result<Vec<(Key, SystemTime)>> {
        let steps = self.dir.join("steps");
        let names = hull_storage::directory::names_in(&steps)?;
        let keys = names.iter().filter_map(|name| {
            let key = Digest::parse(&format!("sha256:{}", name.strip_suffix(".json")?)).ok()?;
            let used = fs::metadata(steps.join(name)).and_then(|file| file.modified()).ok()?;
            Some((key, used))
        });
        Ok(keys.collect())
    }

    /// Removes a record that was not used since `last_used`. Its layer stays until [`Self::release_unused`]. Returns
    /// whether it was removed: a build that runs, or uses the record, keeps it.
    pub fn remove_unused(&self, key: &Key, last_used: SystemTime) -> Result<bool> {
        let path = self.path(key);
        let context = || format!("remove {}", path.display());
        let lock = self.dir.join("locks").join(key.hex());
        let Some(taken) = Lock::try_exclusive(&lock)? else { return Ok(false) };
        let _lock = StepLock { path: lock, _lock: taken };
        // A name that is not a key's: a killed command leaves a file that the next one removes.
        let doomed = path.with_extension("doomed");
        match fs::rename(&path, &doomed) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            renamed => renamed.context(context)?,
        }
        let used = fs::metadata(&doomed).and_then(|file| file.modified()).context(context)?;
        if used > last_used {
            fs::rename(&doomed, &path).context(context)?;
            return Ok(false);
        }
        file::remove(&doomed)?;
        file::remove(&self.listing_path(key))?;
        Ok(true)
    }

    /// Notes that a build runs, until the result is dropped or the process ends.
    pub fn begin_build(&self) -> Result<RunningBuild> {
        let running = self.dir.join("running");
        loop {
            let id = std::process::id();
            let path = running.join(format!("{id}-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
            if let Some(lock) = Lock::try_exclusive(&path)? {
                // The file may be that of a killed process with the same number.
                let file = fs::File::open(&path).context(|| format!("open {}", path.display()))?;
                file.set_modified(SystemTime::now()).context(|| format!("touch {}", path.display()))?;
                return Ok(RunningBuild { path, _lock: lock });
            }
        }
    }

    /// When the oldest of the running builds began. What was used since then may be in use.
    pub fn oldest_running(&self) -> Result<Option<SystemTime>> {
        let mut oldest = None;
        for name in hull_storage::directory::names_in(&self.dir.join("running"))? {
            let path = self.dir.join("running").join(name);
            match Lock::try_exclusive(&path)? {
                // Its build was killed.
                Some(_lock) => file::remove(&path)?,
                None => {
                    let began = fs::metadata(&path).and_then(|file| file.modified()).ok();
                    oldest = [oldest, began].into_iter().flatten().min();
                }
            }
        }
        Ok(oldest)
    }

    /// Lets garbage collection remove the layers of steps that no record names.
    pub fn release_unused(&self) -> Result<()> {
        let lock = Lock::exclusive(&self.recording_lock())?;
        let records = self.keys()?.into_iter().filter_map(|(key, _)| self.read(&key));
        let needed: std::collections::HashSet<String> =
            records.map(|record| record.layer.chain_id.hex().to_owned()).collect();
        for chain in self.layers.list()? {
            if !needed.contains(&chain) && self.layers.is_of_step(&chain) {
                self.layers.release_step(&chain)?;
            }
        }
        drop(lock);
        // Locks of killed builds.
        for name in hull_storage::directory::names_in(&self.dir.join("locks"))? {
            let path = self.dir.join("locks").join(name);
            drop(Lock::try_exclusive(&path)?.map(|lock| StepLock { path, _lock: lock }));
        }
        // Notes of what was built at a place, whose record is gone.
        for name in hull_storage::directory::names_in(&self.dir.join("last"))? {
            let path = self.dir.join("last").join(name);
            let key = fs::read_to_string(&path).ok().and_then(|key| Digest::parse(&key).ok());
            if key.is_none_or(|key| !self.path(&key).exists()) {
                file::remove(&path)?;
            }
        }
        for name in hull_storage::directory::names_in(&self.dir.join("steps"))? {
            if name.ends_with(".doomed") {
                file::remove(&self.dir.join("steps").join(name))?;
            }
        }
        Ok(())
    }

    /// The key of the step that was last built at a place.
    pub fn last_at(&self, place: &Digest) -> Option<Key> {
        Digest::parse(&fs::read_to_string(self.dir.join("last").join(place.hex())).ok()?).ok()
    }

    /// Notes which step was built at a place, for [`super::why`].
    pub fn set_last(&self, place: &Digest, key: &Key) -> Result<()> {
        let path = self.dir.join("last").join(place.hex());
        fs::write(&path, key.to_string()).context(|| format!("write {}", path.display()))
    }

    fn listing_path(&self, key: &Key) -> PathBuf {
        self.dir.join("steps").join(format!("{}.files", key.hex()))
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.dir.join("steps").join(format!("{}.json", key.hex()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::key::Inputs;
    use crate::cache::record::LayerOfStep;

    /// Equal steps make equal layers. One is made again and again, while others give up the layers that no record names.
    #[test]
    fn a_layer_that_is_given_up_and_made_again_stays() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(&directory.path().join("data"), &directory.path().join("run")).unwrap();
        let (cache, layers) = (Cache::open(&root).unwrap(), LayerStore::new(&root));
        let images = hull_image::store::Images::open(&root).unwrap();
        let key = Digest::of(b"step");
        let chain = Digest::of(b"layer");
        let layer = LayerOfStep {
            diff_id: chain.clone(),
            chain_id: chain.clone(),
            descriptor: hull_image::config::Descriptor::new("", chain.clone(), 3),
            bytes: 3,
        };
        let record = Record {
            format: FORMAT,
            created: String::new(),
            description: String::new(),
            inputs: Inputs::default(),
            layer,
        };
        let is_over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    cache.release_unused().unwrap();
                    images.collect().unwrap();
                }
            });
            for _ in 0..300 {
                let made = layers.begin_step().unwrap();
                fs::write(made.blob(), "tar").unwrap();
                let recording = cache.begin_record().unwrap();
                cache.add(&recording, &key, &record, &Listing::default()).unwrap();
                made.publish(&layers, chain.hex(), 3).unwrap();
                drop(recording);
                let is_there = layers.has(chain.hex()) && layers.is_of_step(chain.hex());
                fs::remove_file(cache.path(&key)).unwrap();
                if !is_there {
                    is_over.store(true, Ordering::Relaxed);
                }
                assert!(is_there);
            }
            is_over.store(true, Ordering::Relaxed);
        });
    }
}
