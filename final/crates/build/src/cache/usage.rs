//! What the build cache holds: `builder du`, `system df`.

use std::collections::{BTreeMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hull_docker::filters::build_cache;
use hull_docker::time;
use hull_docker::wire::disk_usage::BuildCache;
use hull_engine::Engine;
use hull_image::Digest;
use hull_storage::lock::Lock;

use super::{Cache, Key, Record};
use crate::Result;
use crate::context::Kept;
use crate::run::CacheMount;

/// Characters of an id, as in docker.
const ID: usize = 25;

/// What an entry is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// The layer of a step.
    Step(Key),
    /// A directory of a cache mount.
    Mount(PathBuf),
    /// What is known of the files of a build context.
    Context(PathBuf),
    /// A file from a web server, in a directory of its own.
    Download(PathBuf),
}

/// An entry of the build cache.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub id: String,
    pub kind: Kind,
    /// The step that the step stands on.
    pub parent: Option<String>,
    pub description: String,
    /// A running build uses it.
    pub in_use: bool,
    /// An image has the layer: removing it frees nothing but the step's own.
    pub shared: bool,
    /// Bytes.
    pub size: u64,
    pub created: SystemTime,
    pub last_used: SystemTime,
}

impl Entry {
    /// docker's word.
    pub fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::Step(_) => "regular",
            Kind::Mount(_) => "exec.cachemount",
            Kind::Context(_) => "source.local",
            Kind::Download(_) => "source.http",
        }
    }

    pub fn is_mutable(&self) -> bool {
        matches!(self.kind, Kind::Mount(_))
    }

    /// What the filters look at.
    pub fn shown(&self) -> build_cache::Entry<'_> {
        build_cache::Entry {
            id: &self.id,
            parent: self.parent.as_deref(),
            kind: self.type_name(),
            description: &self.description,
            in_use: self.in_use,
            shared: self.shared,
            mutable: self.is_mutable(),
            last_used: self.last_used,
        }
    }

    /// docker's JSON.
    pub fn wire(&self) -> BuildCache {
        BuildCache {
            id: self.id.clone(),
            parents: self.parent.iter().cloned().collect(),
            kind: self.type_name().into(),
            description: self.description.clone(),
            in_use: self.in_use,
            shared: self.shared,
            size: i64::try_from(self.size).unwrap_or(i64::MAX),
            created_at: time::print(self.created),
            last_used_at: Some(time::print(self.last_used)),
            // hull counts no uses; there was one at least.
            usage_count: 1,
        }
    }
}

fn id_of(digest: &Digest) -> String {
    digest.hex()[..ID].to_owned()
}

/// All entries, those that were not used for the longest time first, and a step after those that stand on it.
pub fn entries(engine: &Engine) -> Result<Vec<Entry>> {
    if !engine.root().data().join("build/steps").is_dir() {
        // Nothing was ever built.
        return Ok(vec![]);
    }
    let cache = Cache::open(engine.root())?;
    let oldest = cache.oldest_running()?;
    let is_used = |used: SystemTime| oldest.is_some_and(|began| used >= began);
    let of_images: HashSet<Digest> =
        engine.images().list()?.into_iter().flat_map(|image| image.layers).collect();
    let mut entries = Vec::new();
    for (key, last_used) in cache.keys()? {
        let Some(record) = cache.read(&key) else { continue };
        let shared = of_images.contains(&record.layer.chain_id);
        let in_use = is_used(last_used) || cache.is_locked(&key);
        entries.push(step(&key, &record, last_used, shared, in_use));
    }
    in_order(&mut entries);
    let mut others = mounts(cache.dir())?;
    others.extend(contexts(cache.dir(), &is_used)?);
    others.extend(crate::context::downloads(engine.root()).into_iter().map(|kept| download(kept, &is_used)));
    // Both are sorted by the time of the last use in the end; steps keep their order.
    others.sort_by_key(|entry| entry.last_used);
    entries.extend(others);
    entries.sort_by_key(|entry| entry.last_used);
    Ok(entries)
}

fn step(key: &Key, record: &Record, last_used: SystemTime, shared: bool, in_use: bool) -> Entry {
    Entry {
        id: id_of(key),
        kind: Kind::Step(key.clone()),
        parent: record.inputs.parent.as_ref().map(id_of),
        description: record.description.clone(),
        in_use,
        shared,
        // The files, and the tar of the same.
        size: record.layer.bytes + record.layer.descriptor.size,
        created: humantime::parse_rfc3339(&record.created).unwrap_or(SystemTime::UNIX_EPOCH),
        last_used,
    }
}

/// A step counts as used when a step on it was: the steps of a build are looked up from the lowest on.
fn in_order(steps: &mut Vec<Entry>) {
    let numbers: BTreeMap<String, usize> =
        steps.iter().enumerate().map(|(at, step)| (step.id.clone(), at)).collect();
    let parent = |step: &Entry| step.parent.as_ref().and_then(|id| numbers.get(id)).copied();
    let mut depths = vec![0_usize; steps.len()];
    for (at, depth) in depths.iter_mut().enumerate() {
        let mut below = parent(&steps[at]);
        while let Some(next) = below.filter(|_| *depth < steps.len()) {
            *depth += 1;
            below = parent(&steps[next]);
        }
    }
    let mut deepest: Vec<usize> = (0..steps.len()).collect();
    deepest.sort_by_key(|at| std::cmp::Reverse(depths[*at]));
    for at in &deepest {
        if let Some(below) = parent(&steps[*at]) {
            let (used, in_use) = (steps[*at].last_used, steps[*at].in_use);
            steps[below].last_used = steps[below].last_used.max(used);
            steps[below].in_use |= in_use;
        }
    }
    // Sorting by time later keeps this order where times are equal.
    let sorted = deepest.iter().map(|at| steps[*at].clone()).collect();
    *steps = sorted;
}

/// The names in a directory that may not have been made yet.
fn names(dir: &Path) -> Result<Vec<String>> {
    if !dir.is_dir() {
        return Ok(vec![]);
    }
    Ok(hull_storage::directory::names_in(dir)?)
}

fn download(kept: Kept, is_used: &dyn Fn(SystemTime) -> bool) -> Entry {
    Entry {
        id: id_of(&Digest::of(kept.url.as_bytes())),
        kind: Kind::Download(kept.path),
        parent: None,
        description: kept.url,
        in_use: is_used(kept.used),
        shared: false,
        size: kept.bytes,
        created: kept.created,
        last_used: kept.used,
    }
}

fn mounts(dir: &Path) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let all = dir.join("mounts");
    for hash in names(&all)? {
        let mount: Option<CacheMount> =
            hull_storage::file::read_json(&all.join(&hash).join("mount.json")).unwrap_or_default();
        let name = mount.map_or_else(|| hash.clone(), |mount| mount.id);
        for number in names(&all.join(&hash))? {
            let one = all.join(&hash).join(&number);
            let Ok(lock) = one.join("lock").metadata() else { continue };
            let used = lock.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            let made = one.metadata().and_then(|made| made.created().or(made.modified())).unwrap_or(used);
            entries.push(Entry {
                id: id_of(&Digest::of(format!("{hash}/{number}").as_bytes())),
                parent: None,
                description: format!("cached mount {name}"),
                in_use: Lock::try_exclusive(&one.join("lock"))?.is_none(),
                shared: false,
                size: hull_storage::tree::disk_usage(&one.join("data")).unwrap_or(0),
                created: made,
                last_used: used,
                kind: Kind::Mount(one),
            });
        }
    }
    Ok(entries)
}

fn contexts(dir: &Path, is_used: &dyn Fn(SystemTime) -> bool) -> Result<Vec<Entry>> {
    let files = dir.join("files");
    let mut entries = Vec::new();
    for name in names(&files)? {
        let path = files.join(&name);
        let Ok(found) = path.metadata() else { continue };
        let used = found.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        entries.push(Entry {
            id: id_of(&Digest::of(format!("files/{name}").as_bytes())),
            parent: None,
            description: "digests of the files of a build context".into(),
            in_use: is_used(used),
            shared: false,
            size: found.blocks() * 512,
            created: used,
            last_used: used,
            kind: Kind::Context(path),
        });
    }
    Ok(entries)
}
