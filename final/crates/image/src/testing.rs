//! What the tests of this crate share: a store of their own, and tars with anything in them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hull_storage::root::Root;
use tar::EntryType;

use crate::store::Images;

/// A store in a directory that goes with it, beside a directory that nothing may touch.
pub struct Store {
    directory: tempfile::TempDir,
    pub images: Images,
}

impl Store {
    pub fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap())
    }

    pub fn at(directory: tempfile::TempDir) -> Self {
        let data = directory.path().join("data");
        let root = Root::open(&data, &directory.path().join("run")).unwrap();
        let images = Images::open(&root).unwrap();
        Self { directory, images }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Blobs, layers, and whatever else was left in their directories.
    pub fn left(&self) -> Vec<String> {
        let names = |path: &str| {
            let entries = std::fs::read_dir(self.path().join("data").join(path)).unwrap();
            entries.map(move |entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
        };
        [names("blobs/sha256"), names("layers")].concat()
    }
}

/// A directory to unpack into, and one outside that hostile archives aim at.
pub struct Arena {
    directory: tempfile::TempDir,
    before: BTreeMap<PathBuf, String>,
}

impl Arena {
    pub fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap())
    }

    pub fn at(directory: tempfile::TempDir) -> Self {
        std::fs::create_dir_all(directory.path().join("outside/sub")).unwrap();
        std::fs::write(directory.path().join("outside/secret"), "secret").unwrap();
        std::fs::create_dir(directory.path().join("layer")).unwrap();
        let before = around(directory.path());
        Self { directory, before }
    }

    pub fn layer(&self) -> PathBuf {
        self.directory.path().join("layer")
    }

    pub fn outside(&self) -> PathBuf {
        self.directory.path().join("outside")
    }

    pub fn assert_untouched(&self, what: &str) {
        assert_eq!(around(self.directory.path()), self.before, "{what}");
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // A layer may have directories that only this gets into.
        let _ = hull_storage::tree::remove_tree(&self.layer());
    }
}

/// What is in the arena and not in the layer.
fn around(top: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = snapshot(&top.join("outside"));
    for entry in std::fs::read_dir(top).unwrap() {
        found.insert(entry.unwrap().path(), String::new());
    }
    found
}

/// In memory where that is possible: for tests that make thousands of files, or sync.
pub fn in_memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Everything below a directory, with what tells whether it was touched.
pub fn snapshot(top: &Path) -> BTreeMap<PathBuf, String> {
    use std::os::unix::fs::MetadataExt;
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(top).unwrap() {
        let path = entry.unwrap().path();
        let meta = std::fs::symlink_metadata(&path).unwrap();
        let content = if meta.is_file() { std::fs::read(&path).unwrap_or_default() } else { vec![] };
        let said = (meta.mode(), meta.uid(), meta.gid(), meta.nlink(), meta.mtime(), content);
        if meta.is_dir() {
            found.extend(snapshot(&path));
        }
        found.insert(path, format!("{said:?}"));
    }
    found
}

/// A tar, written without asking whether it is a good one.
#[derive(Default, Clone)]
pub struct Tar(pub Vec<u8>);

impl Tar {
    pub fn add(mut self, kind: EntryType, path: &[u8], link: &[u8], data: &[u8]) -> Self {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..path.len()].copy_from_slice(path);
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link);
        header.set_entry_type(kind);
        header.set_mode(if kind == EntryType::Directory { 0o755 } else { 0o644 });
        header.set_uid(own_uid());
        header.set_gid(own_gid());
        header.set_mtime(1_000_000_000);
        header.set_size(data.len() as u64);
        if kind.is_character_special() {
            header.set_device_major(1).unwrap();
            header.set_device_minor(3).unwrap();
        }
        self.push(header, data)
    }

    pub fn push(&mut self, mut header: tar::Header, data: &[u8]) -> Self {
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        std::mem::take(self)
    }

    /// Changes the header that was added last.
    pub fn with(mut self, data_length: usize, change: impl FnOnce(&mut tar::Header)) -> Self {
        let start = self.0.len() - data_length.next_multiple_of(512) - 512;
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes().copy_from_slice(&self.0[start..start + 512]);
        change(&mut header);
        header.set_cksum();
        self.0[start..start + 512].copy_from_slice(header.as_bytes());
        self
    }

    pub fn file(self, path: &str, data: &str) -> Self {
        self.add(EntryType::Regular, path.as_bytes(), b"", data.as_bytes())
    }

    pub fn dir(self, path: &str) -> Self {
        self.add(EntryType::Directory, path.as_bytes(), b"", b"")
    }

    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.add(EntryType::Symlink, path.as_bytes(), target.as_bytes(), b"")
    }

    pub fn link(self, path: &str, target: &str) -> Self {
        self.add(EntryType::Link, path.as_bytes(), target.as_bytes(), b"")
    }

    /// PAX records for the member that follows.
    pub fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let mut data = Vec::new();
        for (key, value) in records {
            // The length counts its own digits.
            let rest = key.len() + value.len() + 3;
            let length = (rest..).find(|length| *length == rest + length.to_string().len()).unwrap();
            data.extend_from_slice(format!("{length} {key}=").as_bytes());
            data.extend_from_slice(value);
            data.push(b'\n');
        }
        self.add(EntryType::XHeader, b"pax", b"", &data)
    }

    pub fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

/// Corrects the checksums of the headers. Without this, the checksum would refuse nearly every changed archive.
pub fn fix_checksums(bytes: &mut [u8]) {
    for block in bytes.chunks_exact_mut(512) {
        if block[257..262] == *b"ustar" || block[156] != 0 {
            let mut header = tar::Header::new_old();
            header.as_mut_bytes().copy_from_slice(block);
            header.set_cksum();
            block.copy_from_slice(header.as_bytes());
        }
    }
}

pub fn own_uid() -> u64 {
    rustix::process::geteuid().as_raw().into()
}

pub fn own_gid() -> u64 {
    rustix::process::getegid().as_raw().into()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

/// Whether the test can have devices, owners and marks of overlay; says so otherwise.
pub fn is_root(name: &str) -> bool {
    let able = rustix::process::geteuid().is_root() && !hull_sys::id_map::in_user_namespace();
    if !able {
        skip(name, "needs root outside a user namespace");
    }
    able
}

/// No silent skip, and none at all where every test has to run.
pub fn skip(name: &str, why: &str) {
    assert!(std::env::var_os("HULL_TESTS_MUST_RUN").is_none(), "{name} cannot run: {why}");
    eprintln!("SKIP {name}: {why}");
}
