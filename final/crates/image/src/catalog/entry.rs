//! An entry of the catalog as it is on disk: a descriptor in one line of JSON.

use crate::config::{Descriptor, ID, INDEX_DIGEST, ORIGIN, REF_NAME, UNPACKED_SIZE};
use crate::digest::Digest;
use crate::error::{Error, Result};

/// An entry as text. It is parsed only if more than its name and digests are needed, because a store may have thousands
/// of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line(String);

impl Line {
    pub(super) fn of(entry: &Descriptor) -> Result<Self> {
        let mut entry = entry.clone();
        // `name` expects the name as the last annotation, and other programs' annotations could sort after it.
        entry
            .annotations
            .retain(|key, _| [ID, INDEX_DIGEST, ORIGIN, UNPACKED_SIZE, REF_NAME].contains(&key.as_str()));
        serde_json::to_string(&entry).map(Self).map_err(|source| json_error(&entry.digest, source))
    }

    /// Takes a line if it looks like one that [`Line::of`] wrote.
    pub(super) fn own(text: &str) -> Option<Self> {
        let line = Self(text.into());
        let whole = text.starts_with("{\"mediaType\":") && text.ends_with('}');
        (whole && Digest::parse(line.digest()).is_ok()).then_some(line)
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// The image's name. The annotations are the descriptor's last field, and the name is the last annotation.
    pub(crate) fn name(&self) -> Option<&str> {
        let (before, name) = self.0.strip_suffix("\"}}")?.rsplit_once('"')?;
        before.strip_suffix("\":")?.strip_suffix(REF_NAME).map(|_| name)
    }

    /// The manifest's digest.
    pub(crate) fn digest(&self) -> &str {
        self.value("\"digest\":\"").unwrap_or_default()
    }

    /// The image's id. If the entry has none and the manifest is damaged, the manifest's digest stands for it.
    pub(crate) fn id(&self) -> &str {
        self.value("\"org.hull.id\":\"").unwrap_or_else(|| self.digest())
    }

    /// The digest of the index that the name stands for.
    pub(crate) fn index(&self) -> Option<&str> {
        self.value("\"org.hull.index\":\"")
    }

    /// The references by digest under which registries are known to have the image.
    pub(crate) fn origins(&self) -> impl Iterator<Item = &str> {
        self.value("\"org.hull.origin\":\"").unwrap_or_default().split_whitespace()
    }

    pub(crate) fn entry(&self) -> Result<Descriptor> {
        serde_json::from_str(&self.0).map_err(|source| json_error(&self.digest(), source))
    }

    /// The key by which entries are sorted: images without a name come first.
    pub(super) fn key(&self) -> (&str, &str) {
        match self.name() {
            Some(name) => (name, ""),
            None => ("", self.digest()),
        }
    }

    fn value(&self, key: &str) -> Option<&str> {
        let value = &self.0[self.0.find(key)? + key.len()..];
        value.split_once('"').map(|(value, _)| value)
    }
}

fn json_error(what: &dyn std::fmt::Display, source: serde_json::Error) -> Error {
    Error::Json { path: format!("the entry of {what}"), source }
}
