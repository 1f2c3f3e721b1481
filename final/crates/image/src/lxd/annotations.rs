//! LXD's description of an image as annotations of its manifest, and back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::metadata::{Metadata, Template};
use crate::config::ImageConfig;
use crate::error::{Error, Result};

/// The beginning of the annotation of a property.
const PROPERTY: &str = "org.hull.property.";
/// The templates, as JSON.
const TEMPLATES: &str = "org.hull.templates";
/// Seconds since the epoch.
const EXPIRY: &str = "org.hull.expiry-date";
/// LXD's fingerprint of the image: the hash of the archives from which the image was made.
pub(crate) const FINGERPRINT: &str = "org.hull.lxd-fingerprint";

/// Where the image was copied from, as JSON.
pub(crate) const SOURCE: &str = "org.hull.lxd-source";

/// The place of an image on a server. What the server has there changes with time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The server's URL.
    pub server: String,
    pub alias: String,
}

impl Source {
    pub(crate) fn to_annotation(&self) -> Result<String> {
        serde_json::to_string(self)
            .map_err(|source| Error::Json { path: "the image's source".into(), source })
    }
}

/// An image in LXD's words.
#[derive(Debug, Clone)]
pub struct Described {
    /// The image's id.
    pub id: crate::Digest,
    /// Its names, in docker's short form.
    pub aliases: Vec<String>,
    pub metadata: Metadata,
    /// The hash of the archives that it was made of.
    pub fingerprint: Option<String>,
    pub source: Option<Source>,
    /// Bytes of the unpacked layers.
    pub size: u64,
}

/// Properties as annotations.
pub fn properties(properties: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    properties.iter().map(|(key, value)| (format!("{PROPERTY}{key}"), value.clone())).collect()
}

/// The annotations of an image that was made from LXD's archives.
pub(crate) fn to_annotations(metadata: &Metadata) -> Result<BTreeMap<String, String>> {
    let mut annotations = properties(&metadata.properties);
    if !metadata.templates.is_empty() {
        let templates = serde_json::to_string(&metadata.templates);
        let templates =
            templates.map_err(|source| Error::Json { path: "the image's templates".into(), source })?;
        annotations.insert(TEMPLATES.into(), templates);
    }
    if metadata.expiry_date != 0 {
        annotations.insert(EXPIRY.into(), metadata.expiry_date.to_string());
    }
    Ok(annotations)
}

/// The place that an image was copied from.
pub(crate) fn source(annotations: &BTreeMap<String, String>) -> Result<Option<Source>> {
    let parse = |text: &String| {
        serde_json::from_str(text).map_err(|source| Error::Json { path: "the image's source".into(), source })
    };
    annotations.get(SOURCE).map(parse).transpose()
}

/// Replaces the properties of an image.
pub(crate) fn set_properties(annotations: &mut BTreeMap<String, String>, wanted: &BTreeMap<String, String>) {
    annotations.retain(|key, _| !key.starts_with(PROPERTY));
    annotations.extend(properties(wanted));
}

/// The templates of an image, each by the path of the file that is made from it.
pub fn templates(annotations: &BTreeMap<String, String>) -> Result<BTreeMap<String, Template>> {
    let parse = |text: &String| {
        serde_json::from_str(text)
            .map_err(|source| Error::Json { path: "the image's templates".into(), source })
    };
    annotations.get(TEMPLATES).map_or_else(|| Ok(BTreeMap::new()), parse)
}

/// LXD's description of an image. What OCI's configuration does not have comes from the annotations.
pub(crate) fn to_metadata(annotations: &BTreeMap<String, String>, config: &ImageConfig) -> Result<Metadata> {
    let property =
        |(key, value): (&String, &String)| Some((key.strip_prefix(PROPERTY)?.to_owned(), value.clone()));
    let created = config.created.as_deref().and_then(|time| humantime::parse_rfc3339(time).ok());
    let created = created.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    Ok(Metadata {
        architecture: architecture(config),
        creation_date: created.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(0)),
        expiry_date: annotations.get(EXPIRY).and_then(|text| text.parse().ok()).unwrap_or(0),
        properties: annotations.iter().filter_map(property).collect(),
        templates: templates(annotations)?,
    })
}

/// The kernel's name of an architecture, which LXD uses. OCI uses Go's names.
fn architecture(config: &ImageConfig) -> String {
    let kernels = match (config.architecture.as_str(), config.variant.as_deref()) {
        ("amd64", _) => "x86_64",
        ("386", _) => "i686",
        ("arm64", _) => "aarch64",
        ("arm", Some("v6")) => "armv6l",
        ("arm", _) => "armv7l",
        ("loong64", _) => "loongarch64",
        (other, _) => other,
    };
    kernels.to_owned()
}
