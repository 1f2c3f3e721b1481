//! Removes entries of the build cache: `builder prune`, `system prune`.

use std::time::SystemTime;

use hull_docker::filters::build_cache::BuildCacheFilters;
use hull_engine::Engine;
use hull_storage::lock::Lock;
use hull_storage::staging;

use super::Cache;
use super::usage::{Entry, Kind, entries};
use crate::Result;
use crate::error::IoContext;

/// What is removed.
#[derive(Debug, Default)]
pub struct PruneOptions {
    /// Also what images share.
    pub all: bool,
    pub filters: BuildCacheFilters,
    /// Bytes that stay in any case.
    pub reserved: u64,
    /// Bytes that may stay.
    pub max_used: u64,
    /// Bytes that the disk should have free.
    pub min_free: u64,
}

#[derive(Debug, Clone, Default)]
pub struct PrunedCache {
    /// In the order in which they went.
    pub removed: Vec<Entry>,
    pub bytes: u64,
}

/// Removes what was not used for the longest time first, until the limits are kept; without limits, all that fits. What
/// running builds use stays.
pub fn prune(engine: &Engine, options: &PruneOptions) -> Result<PrunedCache> {
    if !engine.root().data().join("build/steps").is_dir() {
        // Nothing was ever built.
        return Ok(PrunedCache::default());
    }
    let cache = Cache::open(engine.root())?;
    // While one takes a record's name away and gives it back, another would take its layer for unused.
    let lock = Lock::exclusive(&cache.dir().join("prune.lock"))?;
    let now = SystemTime::now();
    let all = entries(engine)?;
    let total: u64 = all.iter().filter(|entry| !entry.shared).map(|entry| entry.size).sum();
    let keep = bytes_to_keep(total, free(engine)?, options);
    let mut pruned = PrunedCache::default();
    for entry in all {
        if total.saturating_sub(pruned.bytes) <= keep && keep > 0 {
            break;
        }
        let fits = options.filters.fit(entry.shown()) && (options.all || !entry.shared);
        if fits && !entry.in_use && remove(&cache, &entry, now)? {
            // What an image has stays with the image.
            pruned.bytes += if entry.shared { 0 } else { entry.size };
            pruned.removed.push(entry);
        }
    }
    cache.release_unused()?;
    drop(lock);
    engine.images().collect()?;
    Ok(pruned)
}

/// BuildKit's rule (`cache/manager.go`): as much as may stay, less what the disk lacks, but never less than is reserved.
fn bytes_to_keep(total: u64, free: u64, options: &PruneOptions) -> u64 {
    let PruneOptions { reserved, max_used, min_free, .. } = *options;
    let mut keep = max_used;
    let lacking = min_free.saturating_sub(free);
    if lacking > 0 {
        let rest = total.saturating_sub(lacking);
        keep = if keep == 0 { rest } else { keep.min(rest) };
    } else if max_used == 0 && min_free > 0 {
        // Enough is free.
        keep = total;
    }
    keep.max(reserved)
}

fn free(engine: &Engine) -> Result<u64> {
    let data = engine.root().data();
    let stat = rustix::fs::statvfs(data).context(|| format!("look for free space at {}", data.display()))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Returns whether it was removed. What a build has begun to use meanwhile stays.
fn remove(cache: &Cache, entry: &Entry, now: SystemTime) -> Result<bool> {
    match &entry.kind {
        Kind::Step(key) => cache.remove_unused(key, now),
        Kind::Context(path) => {
            hull_storage::file::remove(path)?;
            Ok(true)
        }
        Kind::Download(path) => {
            staging::remove_whole(path)?;
            Ok(true)
        }
        Kind::Mount(path) => {
            let Some(_lock) = Lock::try_exclusive(&path.join("lock"))? else { return Ok(false) };
            staging::remove_whole(path)?;
            // The last one takes the description with it.
            if let Some(parent) = path.parent() {
                let left = hull_storage::directory::names_in(parent)?;
                if left.iter().all(|name| name == "mount.json") {
                    hull_storage::file::remove(&parent.join("mount.json"))?;
                    let _ = std::fs::remove_dir(parent);
                }
            }
            Ok(true)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_say_how_much_stays() {
        for (reserved, max_used, min_free, expected) in [
            (0, 0, 0, 0),
            (30, 0, 0, 30),
            (0, 40, 0, 40),
            (50, 40, 0, 50),
            // 20 are free.
            (0, 0, 10, 100),
            (0, 0, 50, 70),
            (0, 60, 50, 60),
            (80, 60, 50, 80),
        ] {
            let options = PruneOptions { reserved, max_used, min_free, ..PruneOptions::default() };
            assert_eq!(bytes_to_keep(100, 20, &options), expected, "{options:?}");
        }
    }
}
