//! `index.json`: what there is, by name. Changed under its lock and renamed over; a reader takes none.

use hull_storage::lock::Lock;

use crate::config::{Descriptor, Index, REF_NAME};
use crate::error::Result;
use crate::reference::Reference;
use crate::store::Images;

impl Images {
    pub(crate) fn index(&self) -> Result<Index> {
        Ok(hull_storage::file::read_json(&self.root().data().join("index.json"))?.unwrap_or_default())
    }

    pub(crate) fn lock(&self) -> Result<Lock> {
        Ok(Lock::exclusive(&self.root().data().join("index.lock"))?)
    }

    pub(crate) fn change_index(&self, change: impl FnOnce(&mut Index)) -> Result<()> {
        self.change_index_locked(&self.lock()?, change)
    }

    /// The lock is taken before, when more than the index changes.
    pub(crate) fn change_index_locked(&self, _lock: &Lock, change: impl FnOnce(&mut Index)) -> Result<()> {
        let mut index = self.index()?;
        change(&mut index);
        let layout = self.root().data().join("oci-layout");
        if !layout.exists() {
            hull_storage::file::write_atomic(&layout, br#"{"imageLayoutVersion":"1.0.0"}"#, 0o644)?;
        }
        Ok(hull_storage::file::write_json_atomic(&self.root().data().join("index.json"), &index)?)
    }
}

impl Index {
    /// Gives an image a name, or keeps it without one. Whoever had the name stays too, if need be without one: a
    /// container may stand on it.
    pub(crate) fn set(&mut self, mut entry: Descriptor, name: Option<&str>) {
        let named = |other: &Descriptor| other.annotations.contains_key(REF_NAME);
        if let Some(name) = name
            && let Some(at) = self.manifests.iter().position(|other| other.name() == Some(name))
        {
            let mut previous = self.manifests.remove(at);
            previous.annotations.remove(REF_NAME);
            if previous.digest != entry.digest && !self.has(&previous) {
                self.manifests.push(previous);
            }
        }
        if name.is_none() && self.has(&entry) {
            return;
        }
        self.manifests.retain(|other| named(other) || other.digest != entry.digest);
        match name {
            Some(name) => entry.annotations.insert(REF_NAME.into(), name.into()),
            None => entry.annotations.remove(REF_NAME),
        };
        self.manifests.push(entry);
    }

    fn has(&self, entry: &Descriptor) -> bool {
        self.manifests.iter().any(|other| other.digest == entry.digest)
    }
}

/// A name here that differs by a letter or two.
pub(crate) fn nearest(name: &str, index: &Index) -> Option<String> {
    let names =
        index.manifests.iter().filter_map(|entry| Reference::parse(entry.annotations.get(REF_NAME)?).ok());
    let bare = |reference: &Reference| reference.familiar_repository();
    let wanted = Reference::parse(name).ok().map(|reference| bare(&reference))?;
    let mut near: Vec<(usize, String)> = names
        .map(|known| (distance(&bare(&known), &wanted), known.familiar()))
        .filter(|(far, _)| *far <= 2)
        .collect();
    near.sort();
    near.into_iter().map(|(_, name)| name).next()
}

/// Levenshtein's.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.chars().enumerate() {
            let best = (diagonal + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row.last().copied().unwrap_or(0)
}
