//! The hashes of files that have not changed since they were last read: git's idea, by device, inode, size and times.
//!
//! ```text
//! <data>/build/files/<device>-<inode>   one for each root of a context: magic, records sorted by device and inode, SHA-256
//! ```
//!
//! A file is written whole under another name and renamed. If two builds write at once, one of them wins, and the other's
//! files are read once more. A file that is damaged counts as missing.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hull_storage::root::Root;
use rustix::fs::{FileType, Stat};
use sha2::{Digest, Sha256};

use super::entry::Entry;
use super::hash::Hash;
use super::{Keeper, Tree};

/// With the version of the format. Another version counts as missing.
const MAGIC: &[u8; 16] = b"hull files v1\0\0\0";
const RECORD: usize = KEY + 64;
/// Device, inode, size, and two times in nanoseconds.
const KEY: usize = 40;
const IDENTITY: usize = 16;
/// The SHA-256 at the end of the file.
const SUM: usize = 32;

/// So many records a context: with more, only those that the last build has used stay. 26 MB.
const MOST_RECORDS: usize = 250_000;
/// So many contexts: those that were not used for the longest time go.
const MOST_FILES: usize = 64;

/// A file whose time is within this of its reading may change again without another time: the kernel's clock for files
/// ticks each 10 ms at the slowest.
const TICK: Duration = Duration::from_millis(20);
/// The same for file systems that keep whole seconds, or two.
const COARSE_TICK: Duration = Duration::from_secs(2);

type Key = [u8; KEY];
type Record = [u8; RECORD];

/// What is known of the files of one tree.
#[derive(Debug, Default)]
pub struct StatCache {
    /// `None`: nothing is kept.
    path: Option<PathBuf>,
    /// Which file `known` is of.
    loaded: Option<(u64, u64, i64, i64)>,
    /// Sorted by identity.
    known: Vec<Record>,
    /// Records of this build, in no order.
    new: Vec<Record>,
    /// Which of the known ones this build has used.
    used: Vec<bool>,
    /// When the reading of the current file began.
    reading: Option<SystemTime>,
}

impl StatCache {
    /// The cache of a tree. If it cannot be read, it is empty.
    pub fn open(root: &Root, tree: &Tree) -> Self {
        let Ok(stat) = rustix::fs::fstat(&tree.root) else { return Self::none() };
        let name = match tree.keeper {
            // Each build makes its own.
            Keeper::Staging(_) => return Self::none(),
            Keeper::Layers(_) => "layers".to_owned(),
            Keeper::Others => format!("{:x}-{:x}", stat.st_dev, stat.st_ino),
        };
        let path = root.data().join("build/files").join(name);
        // Before it is read: if it is replaced meanwhile, it counts as another one.
        let loaded = identity(&path);
        let known = load(&path).unwrap_or_default();
        Self { used: vec![false; known.len()], known, loaded, path: Some(path), ..Self::default() }
    }

    /// A cache that knows nothing and keeps nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// The hashes of a file's content and attributes. A change of either gives it another ctime (inode(7)).
    pub(super) fn find(&mut self, tree: &Tree, stat: &Stat) -> Option<(Hash, Hash)> {
        if !has_lasting_inode(tree, stat) {
            return None;
        }
        let key = key(tree, stat);
        let at = self.known.binary_search_by(|record| record[..IDENTITY].cmp(&key[..IDENTITY])).ok()?;
        let record = &self.known[at];
        if record[..KEY] != key {
            return None;
        }
        self.used[at] = true;
        Some((hash(record, KEY), hash(record, KEY + 32)))
    }

    pub(super) fn starts_reading(&mut self) {
        self.reading = Some(SystemTime::now());
    }

    /// Notes what was read of an entry, if the entry is the same still and can no longer change unnoticed.
    pub(super) fn note(&mut self, tree: &Tree, entry: &Entry, (content, attributes): (Hash, Hash)) {
        let started = self.reading.take().unwrap_or_else(SystemTime::now);
        if self.path.is_none() || !has_lasting_inode(tree, &entry.stat) || is_racy(&entry.stat, started) {
            return;
        }
        let (directory, name) = entry.place();
        let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
        let Ok(now) = rustix::fs::statat(directory, name, flags) else { return };
        let key = key(tree, &entry.stat);
        if self::key(tree, &now) == key {
            let mut record = [0; RECORD];
            record[..KEY].copy_from_slice(&key);
            record[KEY..KEY + 32].copy_from_slice(&content);
            record[KEY + 32..].copy_from_slice(&attributes);
            self.new.push(record);
        }
    }

    /// Keeps what was noted. Errors are ignored: the files are read again.
    pub(super) fn save(&mut self) {
        let (Some(path), false) = (&self.path, self.new.is_empty()) else { return };
        let mut all = std::mem::take(&mut self.new);
        sort(&mut all);
        all.dedup_by(|later, earlier| later[..IDENTITY] == earlier[..IDENTITY]);
        let known = std::mem::take(&mut self.known);
        let mut used = std::mem::take(&mut self.used).into_iter();
        if all.len() + known.len() <= MOST_RECORDS {
            all = merged(known, all);
        } else {
            let mut used_ones = known;
            used_ones.retain(|_| used.next() == Some(true));
            all = merged(used_ones, all);
        }
        // Another step may have written it meanwhile, and knows other files.
        if identity(path) != self.loaded
            && let Some(theirs) = load(path)
            && all.len() + theirs.len() <= MOST_RECORDS
        {
            all = merged(theirs, all);
        }
        all.truncate(MOST_RECORDS);
        self.used = vec![true; all.len()];
        self.known = all;
        if store(path, &self.known).is_ok() {
            self.loaded = identity(path);
            let _ = forget_old(path.parent().unwrap_or(path));
        }
    }
}

/// Both are sorted, and the second has precedence. There are 10 MB of records of 100,000 files, so nothing is copied that
/// can stay where it is.
fn merged(mut first: Vec<Record>, second: Vec<Record>) -> Vec<Record> {
    if first.is_empty() {
        return second;
    }
    let is_newer =
        |old: &Record| second.binary_search_by(|new| new[..IDENTITY].cmp(&old[..IDENTITY])).is_ok();
    first.retain(|old| !is_newer(old));
    first.reserve_exact(second.len());
    first.extend(second);
    sort(&mut first);
    first
}

/// By identity. It does not matter which of two records with the same one comes first, so no second buffer is needed.
fn sort(records: &mut [Record]) {
    records.sort_unstable_by(|a, b| a[..IDENTITY].cmp(&b[..IDENTITY]));
}

/// What tells whether a file was replaced.
fn identity(path: &Path) -> Option<(u64, u64, i64, i64)> {
    let stat = rustix::fs::stat(path).ok()?;
    Some((stat.st_dev, stat.st_ino, stat.st_ctime, stat.st_ctime_nsec as i64))
}

fn hash(record: &Record, at: usize) -> Hash {
    record[at..at + 32].try_into().expect("32 bytes")
}

/// An overlay makes up numbers for its directories (overlayfs.rst, "Inode properties").
fn has_lasting_inode(tree: &Tree, stat: &Stat) -> bool {
    let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    !(is_directory && matches!(tree.keeper, Keeper::Layers(_)))
}

fn key(tree: &Tree, stat: &Stat) -> Key {
    // An overlay has another device number with each mount, but its files have the inode numbers of the layers, which
    // are all on one file system.
    let device = if let Keeper::Layers(_) = tree.keeper { 0 } else { stat.st_dev };
    let time = |seconds: i64, nanoseconds: i64| seconds.wrapping_mul(1_000_000_000).wrapping_add(nanoseconds);
    let fields = [
        device,
        stat.st_ino,
        stat.st_size as u64,
        time(stat.st_mtime, stat.st_mtime_nsec as i64) as u64,
        time(stat.st_ctime, stat.st_ctime_nsec as i64) as u64,
    ];
    let mut key = [0; KEY];
    for (to, field) in key.chunks_exact_mut(8).zip(fields) {
        to.copy_from_slice(&field.to_be_bytes());
    }
    key
}

/// Whether a file that was read from `started` on may have changed after its hash and keep its times.
fn is_racy(stat: &Stat, started: SystemTime) -> bool {
    let is_coarse = stat.st_mtime_nsec == 0 && stat.st_ctime_nsec == 0;
    let Some(safe) = started.checked_sub(if is_coarse { COARSE_TICK } else { TICK }) else { return true };
    let since = safe.duration_since(UNIX_EPOCH).unwrap_or_default();
    let safe = (since.as_secs() as i64, i64::from(since.subsec_nanos()));
    (stat.st_mtime, stat.st_mtime_nsec as i64) >= safe || (stat.st_ctime, stat.st_ctime_nsec as i64) >= safe
}

/// `None` if there is none, or it is damaged.
fn load(path: &Path) -> Option<Vec<Record>> {
    let length = fs::symlink_metadata(path).ok().filter(|file| file.is_file())?.len();
    let length = usize::try_from(length).ok()?.checked_sub(MAGIC.len() + SUM)?;
    if !length.is_multiple_of(RECORD) || length / RECORD > MOST_RECORDS {
        return None;
    }
    let mut file = fs::File::open(path).ok()?;
    let (mut magic, mut sum) = ([0; MAGIC.len()], [0; SUM]);
    let mut records = vec![[0; RECORD]; length / RECORD];
    for part in [&mut magic[..], records.as_flattened_mut(), &mut sum] {
        file.read_exact(part).ok()?;
    }
    let is_sorted = records.is_sorted_by(|a, b| a[..IDENTITY] < b[..IDENTITY]);
    (magic == *MAGIC && is_sorted && sum == sum_of(&records)).then_some(records)
}

fn sum_of(records: &[Record]) -> Hash {
    Sha256::new_with_prefix(MAGIC).chain_update(records.as_flattened()).finalize().into()
}

fn store(path: &Path, records: &[Record]) -> hull_storage::Result<()> {
    hull_storage::directory::make_dirs(path.parent().unwrap_or(path), 0o700)?;
    hull_storage::file::write_atomic_in_parts(path, &[MAGIC, records.as_flattened(), &sum_of(records)], 0o600)
}

/// Removes the caches that were written the longest ago.
fn forget_old(directory: &Path) -> std::io::Result<()> {
    let mut files: Vec<(SystemTime, PathBuf)> = fs::read_dir(directory)?
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.metadata().ok()?.modified().ok()?, entry.path()))
        })
        .collect();
    if files.len() > MOST_FILES {
        files.sort_unstable();
        let excess = files.len() - MOST_FILES;
        files.drain(..excess).for_each(|(_, path)| drop(fs::remove_file(path)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::{Contents, measure, open_directory};
    use crate::patterns::{Glob, Patterns};

    struct Bench {
        scratch: tempfile::TempDir,
        root: Root,
        tree: Tree,
    }

    impl Bench {
        fn new() -> Self {
            let scratch = tempfile::tempdir().unwrap();
            let context = scratch.path().join("context");
            fs::create_dir(&context).unwrap();
            for n in 0..20 {
                fs::write(context.join(n.to_string()), format!("content {n}")).unwrap();
            }
            let root = Root::open(&scratch.path().join("data"), &scratch.path().join("run")).unwrap();
            let tree = open_directory(&context, None).unwrap();
            let bench = Self { scratch, root, tree };
            bench.settle();
            bench
        }

        fn file(&self, name: &str) -> PathBuf {
            self.scratch.path().join("context").join(name)
        }

        /// Waits until no file is racy: until the clock is a tick past the last change.
        fn settle(&self) {
            let racy = || {
                let stat = rustix::fs::fstat(&self.tree.root).unwrap();
                let files = fs::read_dir(self.file("")).unwrap();
                is_racy(&stat, SystemTime::now())
                    || files.into_iter().any(|file| {
                        is_racy(&rustix::fs::stat(file.unwrap().path()).unwrap(), SystemTime::now())
                    })
            };
            while racy() {
                std::thread::yield_now();
            }
        }

        fn cache(&self) -> StatCache {
            StatCache::open(&self.root, &self.tree)
        }

        fn measure(&self, cache: &mut StatCache) -> Contents {
            measure(&self.tree, &Glob::new(".").unwrap(), &Patterns::default(), cache).unwrap()
        }

        fn caches(&self) -> Vec<PathBuf> {
            let files = fs::read_dir(self.root.data().join("build/files")).unwrap();
            files.map(|file| file.unwrap().path()).collect()
        }
    }

    #[test]
    fn files_that_have_not_changed_are_not_read_again() {
        let bench = Bench::new();
        let first = bench.measure(&mut bench.cache());
        let mut cache = bench.cache();
        assert_eq!(cache.known.len(), 21, "the directory is known too");
        assert_eq!(bench.measure(&mut cache), first);
        assert!(cache.used.iter().all(|used| *used));
        // A cache that says something else shows that it is believed.
        for record in &mut cache.known {
            record[KEY] ^= 1;
        }
        assert_ne!(bench.measure(&mut cache).digest, first.digest);
    }

    #[test]
    fn a_file_that_changed_and_kept_its_size_and_mtime_is_read_again() {
        let bench = Bench::new();
        let first = bench.measure(&mut bench.cache());
        let modified = fs::metadata(bench.file("3")).unwrap().modified().unwrap();
        fs::write(bench.file("3"), "CONTENT 3").unwrap();
        fs::File::open(bench.file("3")).unwrap().set_modified(modified).unwrap();
        assert_ne!(bench.measure(&mut bench.cache()).digest, first.digest);
    }

    #[test]
    fn a_file_that_may_change_within_the_same_tick_is_not_kept() {
        let bench = Bench::new();
        // A busy machine may take longer than a tick between the two.
        let in_one_tick = || {
            fs::write(bench.file("3"), "new").unwrap();
            let mut cache = bench.cache();
            bench.measure(&mut cache);
            (cache.known.len() < 21).then_some(cache)
        };
        let mut cache = (0..1000).find_map(|_| in_one_tick()).expect("one of the readings is within a tick");
        let stat = rustix::fs::stat(bench.file("3")).unwrap();
        assert!(cache.find(&bench.tree, &stat).is_none());
    }

    #[test]
    fn a_damaged_cache_is_ignored_and_replaced() {
        let bench = Bench::new();
        let first = bench.measure(&mut bench.cache());
        let [path] = &bench.caches()[..] else { panic!("one context has one cache") };
        let whole = fs::read(path).unwrap();
        for at in [0, 17, 60, 100, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(path, damaged).unwrap();
            let mut cache = bench.cache();
            assert!(cache.known.is_empty(), "byte {at}");
            assert_eq!(bench.measure(&mut cache).digest, first.digest);
            assert_eq!(bench.cache().known.len(), 21);
        }
        for length in [0, 1, 16, 48, whole.len() - 1] {
            fs::write(path, &whole[..length]).unwrap();
            assert!(bench.cache().known.is_empty(), "{length} bytes");
        }
    }

    #[test]
    fn two_builds_keep_what_both_have_read() {
        let bench = Bench::new();
        let (mut one, mut other) = (bench.cache(), bench.cache());
        let part = |source: &str, cache: &mut StatCache| {
            measure(&bench.tree, &Glob::new(source).unwrap(), &Patterns::default(), cache).unwrap();
        };
        part("1?", &mut one);
        part("?", &mut other);
        assert_eq!(bench.cache().known.len(), 20);
    }

    #[test]
    fn old_contexts_are_forgotten() {
        let bench = Bench::new();
        let directory = bench.root.data().join("build/files");
        fs::create_dir_all(&directory).unwrap();
        for n in 0..MOST_FILES {
            let path = directory.join(format!("old-{n}"));
            fs::write(&path, "").unwrap();
            fs::File::open(&path).unwrap().set_modified(UNIX_EPOCH + Duration::from_secs(n as u64)).unwrap();
        }
        bench.measure(&mut bench.cache());
        let left = bench.caches();
        assert_eq!(left.len(), MOST_FILES);
        assert!(!left.iter().any(|path| path.ends_with("old-0")));
    }
}
