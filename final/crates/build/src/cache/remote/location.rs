//! Where caches are: the values of `--cache-from` and `--cache-to`, checked.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hull_image::reference::Reference;
use hull_image::{Digest, LayerCompression, Recompression};

use crate::request::{CacheLocation, Request};
use crate::{Error, Result};

/// A source of cached steps.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Source {
    Registry(Reference),
    /// The directory of an OCI layout, and the tag or the digest of its entry.
    Local {
        path: PathBuf,
        tag: String,
        digest: Option<Digest>,
    },
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Registry(reference) => f.write_str(&reference.canonical()),
            Self::Local { path, .. } => write!(f, "{}", path.display()),
        }
    }
}

/// A place that gets the steps of a build.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Target {
    pub place: Source,
    /// All stages, and not only what is in the result.
    pub max: bool,
    pub compression: Recompression,
    /// A manifest, whose layers the steps' are, and not an index of blobs.
    pub image_manifest: bool,
    pub oci_types: bool,
    pub ignore_error: bool,
}

/// Where the steps of a build are exported to.
#[derive(Debug, Clone, Default)]
pub struct Exports {
    pub(super) targets: Vec<Target>,
    /// Whether the image itself lists its steps.
    pub inline: bool,
}

impl Exports {
    /// Checks `--cache-to` before anything is built.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] names the attribute that is wrong, or the type that hull cannot write.
    pub fn new(request: &Request) -> Result<Self> {
        let mut exports = Self::default();
        for location in &request.cache_to {
            let mut attributes = Attributes::new("--cache-to", location);
            match location.kind.as_str() {
                "inline" => exports.inline = true,
                "registry" | "local" => exports.targets.push(attributes.target()?),
                _ => return Err(attributes.unknown_type()),
            }
            attributes.finish()?;
        }
        // The older way to ask for it.
        let asked = request.args.get("BUILDKIT_INLINE_CACHE").and_then(Option::as_deref);
        exports.inline |= asked.is_some_and(|value| matches!(value, "1" | "true"));
        Ok(exports)
    }
}

/// Checks `--cache-from`.
pub(super) fn sources(request: &Request) -> Result<Vec<Source>> {
    let source = |location: &CacheLocation| {
        let mut attributes = Attributes::new("--cache-from", location);
        let source = match location.kind.as_str() {
            "registry" | "local" => attributes.source("src")?,
            _ => return Err(attributes.unknown_type()),
        };
        attributes.finish()?;
        Ok(source)
    };
    request.cache_from.iter().map(source).collect()
}

struct Attributes<'a> {
    flag: &'static str,
    kind: &'a str,
    left: BTreeMap<&'a str, &'a str>,
}

impl<'a> Attributes<'a> {
    fn new(flag: &'static str, location: &'a CacheLocation) -> Self {
        let left = location.attributes.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        Self { flag, kind: &location.kind, left }
    }

    fn invalid(&self, key: &str, why: impl Into<String>) -> Error {
        Error::Invalid {
            what: format!("attribute {key} of {} type={}", self.flag, self.kind),
            why: why.into(),
        }
    }

    fn unknown_type(&self) -> Error {
        let why = match self.flag {
            "--cache-to" => "hull writes registry, local and inline",
            _ => "hull reads registry and local",
        };
        Error::Invalid { what: format!("{} type={}", self.flag, self.kind), why: why.into() }
    }

    fn source(&mut self, path: &str) -> Result<Source> {
        let tag = self.left.remove("tag");
        if self.kind == "registry" {
            let name = self.left.remove("ref").ok_or_else(|| self.invalid("ref", "it is missing"))?;
            let name = Reference::parse(name).map_err(|error| self.invalid("ref", error.to_string()))?;
            return match tag {
                Some(_) => Err(self.invalid("tag", "it is part of ref")),
                None => Ok(Source::Registry(name)),
            };
        }
        let place = self.left.remove(path).filter(|path| !path.is_empty());
        let place = place.ok_or_else(|| self.invalid(path, "it is missing"))?;
        let digest = self.left.remove("digest").map(Digest::parse).transpose();
        let digest = digest.map_err(|error| self.invalid("digest", error.to_string()))?;
        Ok(Source::Local { path: place.into(), tag: tag.unwrap_or("latest").into(), digest })
    }

    fn target(&mut self) -> Result<Target> {
        let place = self.source("dest")?;
        let max = match self.left.remove("mode") {
            None | Some("min") => false,
            Some("max") => true,
            Some(other) => return Err(self.invalid("mode", format!("expected min or max, not {other:?}"))),
        };
        let compression = match self.left.remove("compression") {
            None | Some("gzip") => LayerCompression::Gzip,
            Some("zstd") => LayerCompression::Zstd,
            Some("uncompressed") => LayerCompression::Plain,
            Some(other) => {
                let why = format!("expected uncompressed, gzip or zstd, not {other:?}");
                return Err(self.invalid("compression", why));
            }
        };
        let most = if compression == LayerCompression::Zstd { 22 } else { 9 };
        let level = self.left.remove("compression-level");
        let level = level.map(|text| text.parse().ok().filter(|level: &u32| *level <= most).ok_or(()));
        let level = level
            .transpose()
            .map_err(|()| self.invalid("compression-level", format!("expected a number from 0 to {most}")))?;
        let force = self.flag("force-compression", false)?;
        Ok(Target {
            place,
            max,
            compression: Recompression { compression, level, force },
            image_manifest: self.flag("image-manifest", true)?,
            oci_types: self.flag("oci-mediatypes", true)?,
            ignore_error: self.flag("ignore-error", false)?,
        })
    }

    fn flag(&mut self, key: &str, default: bool) -> Result<bool> {
        match self.left.remove(key) {
            None => Ok(default),
            Some("true" | "1" | "") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(other) => Err(self.invalid(key, format!("expected true or false, not {other:?}"))),
        }
    }

    fn finish(&mut self) -> Result<()> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(key) => Err(self.invalid(key, "there is none of this name")),
        }
    }
}
