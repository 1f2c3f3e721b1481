//! Where caches are: the values of `--cache-from` and `--cache-to`, checked.

use std::path::PathBuf;

use hull_image::reference::Reference;
use hull_image::{Digest, LayerCompression, Recompression};

use crate::attributes::Attributes;
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
            let mut attributes = attributes("--cache-to", location);
            match location.kind.as_str() {
                "inline" => exports.inline = true,
                kind @ ("registry" | "local") => exports.targets.push(target(&mut attributes, kind)?),
                _ => {
                    let why = "hull writes registry, local and inline";
                    return Err(unknown_type("--cache-to", location, why));
                }
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
    let one = |location: &CacheLocation| {
        let mut attributes = attributes("--cache-from", location);
        let source = match location.kind.as_str() {
            kind @ ("registry" | "local") => source(&mut attributes, kind, "src")?,
            _ => return Err(unknown_type("--cache-from", location, "hull reads registry and local")),
        };
        attributes.finish()?;
        Ok(source)
    };
    request.cache_from.iter().map(one).collect()
}

fn attributes<'a>(flag: &str, location: &'a CacheLocation) -> Attributes<'a> {
    Attributes::new(format!("{flag} type={}", location.kind), &location.attributes)
}

fn unknown_type(flag: &str, location: &CacheLocation, why: &str) -> Error {
    Error::Invalid { what: format!("{flag} type={}", location.kind), why: why.into() }
}

/// The registry or the directory. `path` is the attribute with the path of a directory.
fn source(attributes: &mut Attributes<'_>, kind: &str, path: &str) -> Result<Source> {
    let tag = attributes.take("tag");
    if kind == "registry" {
        let name = attributes.take("ref").ok_or_else(|| attributes.invalid("ref", "it is missing"))?;
        let name = Reference::parse(name).map_err(|error| attributes.invalid("ref", error.to_string()))?;
        return match tag {
            Some(_) => Err(attributes.invalid("tag", "it is part of ref")),
            None => Ok(Source::Registry(name)),
        };
    }
    let place = attributes.take(path).filter(|path| !path.is_empty());
    let place = place.ok_or_else(|| attributes.invalid(path, "it is missing"))?;
    let digest = attributes.take("digest").map(Digest::parse).transpose();
    let digest = digest.map_err(|error| attributes.invalid("digest", error.to_string()))?;
    Ok(Source::Local { path: place.into(), tag: tag.unwrap_or("latest").into(), digest })
}

fn target(attributes: &mut Attributes<'_>, kind: &str) -> Result<Target> {
    let place = source(attributes, kind, "dest")?;
    let max = match attributes.take("mode") {
        None | Some("min") => false,
        Some("max") => true,
        Some(other) => {
            return Err(attributes.invalid("mode", format!("expected min or max, not {other:?}")));
        }
    };
    let gzip = Recompression { compression: LayerCompression::Gzip, level: None, force: false };
    Ok(Target {
        place,
        max,
        compression: attributes.compression()?.unwrap_or(gzip),
        image_manifest: attributes.flag("image-manifest")?.unwrap_or(true),
        oci_types: attributes.flag("oci-mediatypes")?.unwrap_or(true),
        ignore_error: attributes.flag("ignore-error")?.unwrap_or(false),
    })
}
