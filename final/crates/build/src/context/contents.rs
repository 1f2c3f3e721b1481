//! What COPY reads: the digest by which its step is found in the cache, and a list that tells later what has changed.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use hull_image::Digest;
use rustix::fs::FileType;
use sha2::{Digest as _, Sha256};

use super::Tree;
use super::entry::Entry;
use super::hash::{self, Hash};
use super::stat_cache::StatCache;
use crate::Result;
use crate::patterns::{Glob, Patterns};

/// The files that a source stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct Contents {
    /// Of paths, contents, types, modes, owners and attributes. Not of times: docker's cache ignores them too.
    pub digest: Digest,
    /// What the digest is of, for [`changes`].
    pub listing: Listing,
    pub files: u64,
    /// Bytes in regular files.
    pub bytes: u64,
}

/// A line for each entry: `TYPE MODE UID GID ATTRIBUTES CONTENT PATH`, with the beginnings of two hashes.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Listing(pub String);

/// Reads what a source of COPY stands for. `exclude` is relative to each match.
///
/// # Errors
///
/// [`crate::Error::NoSuchFile`] if a source without wildcards is not there.
pub fn measure(tree: &Tree, source: &Glob, exclude: &Patterns, cache: &mut StatCache) -> Result<Contents> {
    let mut measured = Measured { hash: Sha256::new(), listing: String::new(), files: 0, bytes: 0 };
    for path in tree.matches(source)? {
        let mut walk = tree.walk(&path, exclude)?;
        while let Some(entry) = walk.next_entry()? {
            measured.add(tree, &path, &entry, cache)?;
        }
    }
    cache.save();
    let digest = hash::text(&measured.hash.finalize().into());
    let digest = Digest::parse(&format!("sha256:{digest}"))?;
    Ok(Contents { digest, listing: Listing(measured.listing), files: measured.files, bytes: measured.bytes })
}

struct Measured {
    hash: Sha256,
    listing: String,
    files: u64,
    bytes: u64,
}

impl Measured {
    fn add(&mut self, tree: &Tree, below: &Path, entry: &Entry, cache: &mut StatCache) -> Result<()> {
        let known = cache.find(tree, &entry.stat);
        let (content, attributes) = match known {
            Some(known) => known,
            None => {
                let read = (content(entry, cache)?, attributes(entry)?);
                cache.note(tree, entry, read);
                read
            }
        };
        let path = if entry.path.as_os_str().is_empty() { below.to_owned() } else { below.join(&entry.path) };
        self.files += 1;
        self.bytes += if entry.kind == FileType::RegularFile { entry.size() } else { 0 };
        let path = path.as_os_str().as_bytes();
        // Each field has a fixed length or its length before it, so that no two trees give the same bytes.
        self.hash.update((path.len() as u64).to_le_bytes());
        self.hash.update(path);
        self.hash.update([letter(entry.kind) as u8]);
        for number in [entry.mode, entry.uid, entry.gid] {
            self.hash.update(number.to_le_bytes());
        }
        self.hash.update(content);
        self.hash.update(attributes);
        let [content, attributes] = [content, attributes].map(|hash| hash::short(&hash));
        let (kind, Entry { mode, uid, gid, .. }) = (letter(entry.kind), entry);
        let _ = write!(self.listing, "{kind} {mode:o} {uid} {gid} {attributes} {content} ");
        escape(path, &mut self.listing);
        self.listing.push('\n');
        Ok(())
    }
}

/// Of the bytes of a file, the target of a symlink, the number of a device.
fn content(entry: &Entry, cache: &mut StatCache) -> Result<Hash> {
    Ok(match entry.kind {
        FileType::RegularFile if entry.size() == 0 => hash::NOTHING,
        FileType::RegularFile => {
            cache.starts_reading();
            hash::file(&entry.open()?, entry.size(), &entry.path)?
        }
        FileType::Symlink => hash::bytes(entry.link_target()?.as_bytes()),
        FileType::CharacterDevice | FileType::BlockDevice => hash::bytes(&entry.stat.st_rdev.to_le_bytes()),
        _ => hash::NOTHING,
    })
}

fn attributes(entry: &Entry) -> Result<Hash> {
    let attributes = entry.attributes()?;
    if attributes.is_empty() {
        return Ok(hash::NOTHING);
    }
    let mut hash = Sha256::new();
    for (name, value) in attributes {
        hash.update(name.as_bytes_with_nul());
        hash.update((value.len() as u64).to_le_bytes());
        hash.update(value);
    }
    Ok(hash.finalize().into())
}

fn letter(kind: FileType) -> char {
    match kind {
        FileType::RegularFile => 'f',
        FileType::Directory => 'd',
        FileType::Symlink => 'l',
        FileType::Fifo => 'p',
        FileType::Socket => 's',
        FileType::CharacterDevice => 'c',
        FileType::BlockDevice => 'b',
        FileType::Unknown => '?',
    }
}

/// A path in a line of its own. Bytes that are not UTF-8 are lost: the list is for people.
fn escape(path: &[u8], to: &mut String) {
    for c in String::from_utf8_lossy(path).chars() {
        match c {
            '\\' => to.push_str("\\\\"),
            c if c.is_control() => to.extend(c.escape_default()),
            c => to.push(c),
        }
    }
}

/// A difference between two readings of the same source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// With control characters and backslashes escaped.
    pub path: String,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Added,
    Removed,
    Content,
    Kind,
    /// Octal, before and after.
    Mode(String, String),
    /// `UID:GID`, before and after.
    Owner(String, String),
    Attributes,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = if self.path.is_empty() { "." } else { &self.path };
        match &self.what {
            What::Added => write!(f, "{path} is new"),
            What::Removed => write!(f, "{path} is gone"),
            What::Content => write!(f, "the content of {path} changed"),
            What::Kind => write!(f, "{path} is of another type"),
            What::Mode(old, new) => write!(f, "the mode of {path} changed from {old} to {new}"),
            What::Owner(old, new) => write!(f, "the owner of {path} changed from {old} to {new}"),
            What::Attributes => write!(f, "the extended attributes of {path} changed"),
        }
    }
}

/// What differs, in the order of the new list, then what is gone.
pub fn changes(old: &Listing, new: &Listing) -> Vec<Change> {
    let mut before: HashMap<&str, [&str; 6]> = old.0.lines().filter_map(fields).collect();
    let mut found = Vec::new();
    for (path, new) in new.0.lines().filter_map(fields) {
        let what = match before.remove(path) {
            None => Some(What::Added),
            Some(old) => difference(old, new),
        };
        found.extend(what.map(|what| Change { path: path.to_owned(), what }));
    }
    let mut gone: Vec<&str> = before.into_keys().collect();
    gone.sort_unstable();
    found.extend(gone.into_iter().map(|path| Change { path: path.to_owned(), what: What::Removed }));
    found
}

fn fields(line: &str) -> Option<(&str, [&str; 6])> {
    let mut fields = line.splitn(7, ' ');
    let mut next = || fields.next();
    let first = [next()?, next()?, next()?, next()?, next()?, next()?];
    Some((next()?, first))
}

fn difference(old: [&str; 6], new: [&str; 6]) -> Option<What> {
    let owner = |fields: [&str; 6]| format!("{}:{}", fields[2], fields[3]);
    if old[0] != new[0] {
        Some(What::Kind)
    } else if old[5] != new[5] {
        Some(What::Content)
    } else if old[1] != new[1] {
        Some(What::Mode(old[1].to_owned(), new[1].to_owned()))
    } else if owner(old) != owner(new) {
        Some(What::Owner(owner(old), owner(new)))
    } else {
        (old[4] != new[4]).then_some(What::Attributes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;

    struct Context {
        scratch: tempfile::TempDir,
        tree: Tree,
    }

    impl Context {
        fn new() -> Self {
            let scratch = tempfile::tempdir().unwrap();
            fs::create_dir_all(scratch.path().join("a/b")).unwrap();
            fs::write(scratch.path().join("a/b/file"), "content").unwrap();
            fs::write(scratch.path().join("a/two\nlines"), "").unwrap();
            let tree = super::super::open_directory(scratch.path(), None).unwrap();
            Self { scratch, tree }
        }

        fn path(&self, path: &str) -> PathBuf {
            self.scratch.path().join(path)
        }

        fn measure(&self, source: &str) -> Contents {
            let none = Patterns::default();
            measure(&self.tree, &Glob::new(source).unwrap(), &none, &mut StatCache::none()).unwrap()
        }

        fn changed(&self, before: &Contents) -> String {
            let after = self.measure("a");
            let changes = changes(&before.listing, &after.listing);
            assert_eq!(changes.is_empty(), before.digest == after.digest);
            changes.iter().map(Change::to_string).collect::<Vec<_>>().join("; ")
        }
    }

    #[test]
    fn times_and_other_files_do_not_change_the_digest() {
        let context = Context::new();
        let before = context.measure("a");
        fs::write(context.path("other"), "x").unwrap();
        let file = fs::File::open(context.path("a/b/file")).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(context.changed(&before), "");
        assert_eq!((before.files, before.bytes), (4, 7));
    }

    #[test]
    fn each_change_is_told_with_its_file() {
        let context = Context::new();
        let before = context.measure("a");
        let change = |work: &dyn Fn(), expected: &str| {
            work();
            assert_eq!(context.changed(&before), expected);
        };
        let file = context.path("a/b/file");
        change(&|| fs::write(&file, "CONTENT").unwrap(), "the content of a/b/file changed");
        change(&|| fs::write(&file, "content").unwrap(), "");
        let mode = |mode| fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        change(&|| mode(0o755), "the mode of a/b/file changed from 644 to 755");
        mode(0o644);
        change(&|| fs::write(context.path("a/new"), "").unwrap(), "a/new is new");
        fs::remove_file(context.path("a/new")).unwrap();
        change(
            &|| fs::rename(&file, context.path("a/b/moved")).unwrap(),
            "a/b/moved is new; a/b/file is gone",
        );
        change(&|| symlink("moved", &file).unwrap(), "a/b/file is of another type; a/b/moved is new");
        change(
            &|| fs::remove_file(context.path("a/two\nlines")).unwrap(),
            r"a/b/file is of another type; a/b/moved is new; a/two\nlines is gone",
        );
    }

    #[test]
    fn owners_count_where_copy_keeps_them() {
        let mut context = Context::new();
        let chown = |uid| std::os::unix::fs::chown(context.path("a/b/file"), Some(uid), None).unwrap();
        let before = context.measure("a");
        chown(7);
        assert_eq!(context.changed(&before), "");
        context.tree.has_local_owners = false;
        let before = context.measure("a");
        std::os::unix::fs::chown(context.path("a/b/file"), Some(8), None).unwrap();
        assert_eq!(context.changed(&before), "the owner of a/b/file changed from 7:0 to 8:0");
    }

    #[test]
    fn attributes_count() {
        let context = Context::new();
        let before = context.measure("a");
        let set = hull_sys::fs::set_xattr_at(&context.path("a/b/file"), c"user.hull", b"x");
        if set == Err(nix::errno::Errno::ENOTSUP) {
            return hull_sys::testing::skip("attributes_count", "the file system has no attributes");
        }
        assert_eq!(context.changed(&before), "the extended attributes of a/b/file changed");
    }
}
