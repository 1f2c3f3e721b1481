//! The attributes of `--output`, `--cache-to` and `--cache-from`: `KEY=VALUE`, each taken once.

use std::collections::BTreeMap;

use hull_image::{LayerCompression, Recompression};

use crate::{Error, Result};

/// The attributes that were not looked at yet.
pub(crate) struct Attributes<'a> {
    /// What has them, for errors: `the output tar`.
    owner: String,
    left: BTreeMap<&'a str, &'a str>,
}

impl<'a> Attributes<'a> {
    pub(crate) fn new(owner: String, given: &'a BTreeMap<String, String>) -> Self {
        let left = given.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        Self { owner, left }
    }

    pub(crate) fn invalid(&self, key: &str, why: impl Into<String>) -> Error {
        Error::Invalid { what: format!("attribute {key} of {}", self.owner), why: why.into() }
    }

    pub(crate) fn take(&mut self, key: &str) -> Option<&'a str> {
        self.left.remove(key)
    }

    /// Takes all attributes for which `takes` returns true.
    ///
    /// # Errors
    ///
    /// Those of `takes`.
    pub(crate) fn take_all(&mut self, mut takes: impl FnMut(&str, &str) -> Result<bool>) -> Result<()> {
        let mut taken = Vec::new();
        for (key, value) in &self.left {
            if takes(key, value)? {
                taken.push(*key);
            }
        }
        self.left.retain(|key, _| !taken.contains(key));
        Ok(())
    }

    /// A boolean. An attribute without a value is set.
    pub(crate) fn flag(&mut self, key: &str) -> Result<Option<bool>> {
        match self.take(key) {
            None => Ok(None),
            Some("") => Ok(Some(true)),
            Some(text) => match hull_docker::bools::parse(text) {
                Ok(value) => Ok(Some(value)),
                Err(_) => Err(self.invalid(key, format!("expected true or false, not {text:?}"))),
            },
        }
    }

    /// `compression`, `compression-level` and `force-compression`. `None` if there is none of them.
    pub(crate) fn compression(&mut self) -> Result<Option<Recompression>> {
        let force = self.flag("force-compression")?.unwrap_or(false);
        let level = self.take("compression-level");
        let compression = match self.take("compression") {
            // A level, and force, are for gzip.
            None if level.is_some() || force => LayerCompression::Gzip,
            None => return Ok(None),
            Some("uncompressed") => LayerCompression::Plain,
            Some("gzip") => LayerCompression::Gzip,
            Some("zstd") => LayerCompression::Zstd,
            Some("estargz") => return Err(self.invalid("compression", "hull writes no estargz")),
            Some(other) => {
                let why = format!("expected uncompressed, gzip or zstd, not {other:?}");
                return Err(self.invalid("compression", why));
            }
        };
        let most = if compression == LayerCompression::Zstd { 22 } else { 9 };
        let level = level.map(|text| {
            let level = text.parse().ok().filter(|level: &u32| *level <= most);
            level.ok_or_else(|| {
                self.invalid("compression-level", format!("expected a number from 0 to {most}"))
            })
        });
        Ok(Some(Recompression { compression, level: level.transpose()?, force }))
    }

    /// What is left is not known.
    pub(crate) fn finish(&self) -> Result<()> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(key) if key.starts_with("attest") => Err(self.invalid(key, "hull writes no attestations")),
            Some(key) => Err(self.invalid(key, "there is none of this name")),
        }
    }
}
