//! The images of the store and their names.
//!
//! ```text
//! images/names/NAME       an entry: a descriptor with the name as its annotation; `/` of the name is written `%`
//! images/unnamed/DIGEST   the same of an image without a name
//! images/changing         exists while entries have changed and index.json is not yet updated
//! index.json              all entries, one a line: what other tools read
//! index.lock              held by a command that changes entries
//! ```
//! The entries' files are authoritative. Each is replaced on its own, by rename, so a command that uses one image reads
//! one file, however many images there are. A command that changes entries writes `index.json` once, at its end. If it
//! is killed before, `changing` is left behind. Until the next change writes `index.json` again, hull's listings read
//! the entries' files.

mod entry;
mod files;
mod suggest;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::config::{Descriptor, REF_NAME};
use crate::error::Result;
use crate::reference::Reference;

pub(crate) use entry::Line;
pub(crate) use files::Change;

/// All entries, in memory.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    /// Sorted by their keys.
    lines: Vec<Line>,
    /// Keys of entries that differ from their files.
    changes: BTreeSet<Key>,
    /// Entries that cannot be read.
    damaged: Vec<Damaged>,
    /// Files of damaged entries that are to be removed.
    forgotten: Vec<PathBuf>,
}

/// A damaged entry, of which only the name of its file is known.
#[derive(Debug)]
pub(crate) struct Damaged {
    pub name: String,
    path: PathBuf,
}

/// The key of an entry: its name, or else its manifest's digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    name: String,
    digest: String,
}

impl Key {
    fn of(line: &Line) -> Self {
        let (name, digest) = line.key();
        Self { name: name.into(), digest: digest.into() }
    }
}

impl Catalog {
    fn new(mut lines: Vec<Line>) -> Self {
        lines.sort_by(|one, other| one.key().cmp(&other.key()));
        lines.dedup_by(|one, other| one.key() == other.key());
        Self { lines, ..Self::default() }
    }

    /// Entries without a name first, then the others, sorted by name.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter()
    }

    pub(crate) fn damaged(&self) -> &[Damaged] {
        &self.damaged
    }

    /// Marks a damaged entry for removal. Returns `false` if there is none of this name.
    pub(crate) fn forget_damaged(&mut self, name: &str) -> bool {
        let Some(at) = self.damaged.iter().position(|damaged| damaged.name == name) else { return false };
        self.forgotten.push(self.damaged.remove(at).path);
        true
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Line> {
        self.position(name, "").ok().map(|at| &self.lines[at])
    }

    /// Adds an image under a name, or without one. An image that had the name before is kept, without a name if it has
    /// no other, because a container may use it.
    pub(crate) fn set(&mut self, mut entry: Descriptor, name: Option<&str>) -> Result<()> {
        match name {
            Some(name) => entry.annotations.insert(REF_NAME.into(), name.into()),
            None => entry.annotations.remove(REF_NAME),
        };
        let line = Line::of(&entry)?;
        let Some(name) = name else {
            if !self.has(line.digest()) {
                self.insert(line);
            }
            return Ok(());
        };
        let previous = self.named(name).map(Line::entry).transpose();
        self.damaged.retain(|damaged| damaged.name != name);
        self.remove("", line.digest());
        self.insert(line);
        match previous {
            // A previous entry that cannot be read is dropped.
            Ok(None) | Err(_) => Ok(()),
            Ok(Some(previous)) => self.set(previous, None),
        }
    }

    /// Finds an image by its name, its id or the beginning of its id, or by the digest of its manifest.
    pub(crate) fn find(&self, name: &str) -> Option<&Line> {
        let canonical = Reference::parse(name).ok().map(|reference| reference.canonical());
        if let Some(line) = canonical.and_then(|canonical| self.named(&canonical)) {
            return Some(line);
        }
        let hex = name.strip_prefix("sha256:").unwrap_or(name);
        let could_be_id = hex.len() >= 3 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_it = |line: &&Line| {
            let (id, digest) = (line.id().strip_prefix("sha256:"), line.digest().strip_prefix("sha256:"));
            id.is_some_and(|id| id.starts_with(hex)) || digest == Some(hex)
        };
        self.lines().filter(|_| could_be_id).find(is_it)
    }

    /// An image that came from a registry as `REPOSITORY@DIGEST`, or went there.
    pub(crate) fn with_origin(&self, origin: &str) -> Option<&Line> {
        self.lines().find(|line| line.origins().any(|own| own == origin))
    }

    /// Removes a name. An image that loses its last name is not in the catalog any more.
    pub(crate) fn remove_name(&mut self, name: &str) {
        self.remove(name, "");
    }

    /// Removes an image's entries without a name. They sort first.
    pub(crate) fn remove_unnamed(&mut self, id: &str) {
        let unnamed = self.lines.iter().take_while(|line| line.name().is_none());
        let gone: Vec<Key> = unnamed.filter(|line| line.id() == id).map(Key::of).collect();
        gone.iter().for_each(|key| self.remove(&key.name, &key.digest));
    }

    /// Takes away all entries but these.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Line) -> bool) {
        self.changes.extend(self.lines.iter().filter(|line| !keep(line)).map(Key::of));
        self.lines.retain(keep);
    }

    /// Changes the descriptor of one manifest, under each of its names.
    pub(crate) fn update(&mut self, digest: &str, change: impl Fn(&mut Descriptor)) -> Result<()> {
        let entries: Vec<_> =
            self.lines().filter(|line| line.digest() == digest).map(Line::entry).collect::<Result<_>>()?;
        for mut entry in entries {
            change(&mut entry);
            self.insert(Line::of(&entry)?);
        }
        Ok(())
    }

    /// Changes the descriptors of some entries, each under its name.
    pub(crate) fn replace(
        &mut self,
        which: impl Fn(&Line) -> bool,
        change: impl Fn(&mut Descriptor),
    ) -> Result<()> {
        let entries: Vec<_> =
            self.lines().filter(|line| which(line)).map(Line::entry).collect::<Result<_>>()?;
        // An entry without a name has its digest as its key, and the digest changes. So the old entries are removed first.
        self.retain(|line| !which(line));
        for mut entry in entries {
            change(&mut entry);
            self.insert(Line::of(&entry)?);
        }
        Ok(())
    }

    fn has(&self, digest: &str) -> bool {
        self.lines().any(|line| line.digest() == digest)
    }

    fn insert(&mut self, line: Line) {
        let key = Key::of(&line);
        match self.position(&key.name, &key.digest) {
            Ok(at) if self.lines[at] == line => return,
            Ok(at) => self.lines[at] = line,
            Err(at) => self.lines.insert(at, line),
        }
        self.changes.insert(key);
    }

    fn remove(&mut self, name: &str, digest: &str) {
        if let Ok(at) = self.position(name, digest) {
            self.lines.remove(at);
            self.changes.insert(Key { name: name.into(), digest: digest.into() });
        }
    }

    fn position(&self, name: &str, digest: &str) -> Result<usize, usize> {
        self.lines.binary_search_by(|line| line.key().cmp(&(name, digest)))
    }
}
