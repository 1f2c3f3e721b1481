//! Manifests and configurations: image-spec, `manifest.md` and `config.md`.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::digest::Digest;
use crate::platform::Platform;

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// The media types of docker's schema 2 for the same documents.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const LAYERS: &[&str] = &[
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
];
/// Annotation of a descriptor in `index.json`: the image's name.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// Annotation of containerd and docker: the full name, where the one above has only the tag.
pub const CONTAINERD_NAME: &str = "io.containerd.image.name";
/// Annotation: bytes of the unpacked layers. Measuring them for every list would read all of their directories.
pub const UNPACKED_SIZE: &str = "org.hull.unpacked-size";
/// Annotation: the configuration's digest, which is the image's id. Without it every list would read all manifests.
pub const ID: &str = "org.hull.id";
/// Annotation: the digest of the index that the image is a part of. A name that stands for an index has the manifest of
/// this machine's platform as its entry, because that is what containers use; `push` and `save` take the whole index.
pub const INDEX_DIGEST: &str = "org.hull.index";
/// Annotation: the repositories that the image is known to be in, each as `REPOSITORY@DIGEST` with the digest in that
/// registry, separated by spaces.
pub const ORIGIN: &str = "org.hull.origin";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    pub media_type: String,
    pub digest: Digest,
    pub size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    #[serde(default, deserialize_with = "or_null", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// The one of several descriptors that a platform runs best.
    pub(crate) fn choose<'a>(platform: &Platform, among: &[&'a Self]) -> Option<&'a Self> {
        let suited = among.iter().filter_map(|one| Some((platform.suits(one.platform.as_ref()?)?, *one)));
        // Of equal ones the first is chosen: image-spec, image-index.md.
        suited.rev().max_by_key(|(level, _)| *level).map(|(_, one)| one)
    }

    pub fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self { media_type: media_type.into(), digest, size, platform: None, annotations: BTreeMap::new() }
    }

    /// The image's name.
    pub fn name(&self) -> Option<&str> {
        self.annotations.get(REF_NAME).map(String::as_str)
    }

    /// Bytes of its unpacked layers, if they were measured.
    pub fn unpacked_size(&self) -> Option<u64> {
        self.annotations.get(UNPACKED_SIZE)?.parse().ok()
    }

    /// The repositories that the image is known to be in, each as `REPOSITORY@DIGEST`.
    pub fn origins(&self) -> Vec<String> {
        let origins = self.annotations.get(ORIGIN).map(String::as_str).unwrap_or_default();
        origins.split_whitespace().map(str::to_owned).collect()
    }

    pub fn origin_digests(&self) -> Vec<Digest> {
        self.origins().iter().filter_map(|origin| Digest::parse(origin.split_once('@')?.1).ok()).collect()
    }

    pub fn add_origin(&mut self, origin: String) {
        let mut origins = self.origins();
        if !origins.contains(&origin) {
            origins.push(origin);
            self.annotations.insert(ORIGIN.into(), origins.join(" "));
        }
    }

    /// The digest of the index that it stands for.
    pub fn index_digest(&self) -> Option<Digest> {
        Digest::parse(self.annotations.get(INDEX_DIGEST)?).ok()
    }

    pub fn is_index(&self) -> bool {
        [INDEX, DOCKER_INDEX].contains(&self.media_type.as_str())
    }

    pub fn is_manifest(&self) -> bool {
        [MANIFEST, DOCKER_MANIFEST].contains(&self.media_type.as_str())
    }

    pub fn is_config(&self) -> bool {
        [CONFIG, DOCKER_CONFIG].contains(&self.media_type.as_str())
    }

    /// Whether it is a layer, with any compression. Which one is recognized by its first bytes.
    pub fn is_layer(&self) -> bool {
        let plain = self.media_type.trim_end_matches("+gzip").trim_end_matches(".gzip");
        let plain = plain.trim_end_matches("+zstd").trim_end_matches(".zstd");
        LAYERS.contains(&plain)
    }
}

/// OCI's media type for a layer of docker's. All layers of a manifest have media types of the same specification.
pub(crate) fn oci_layer_type(media_type: &str) -> String {
    const DOCKER: &str = "vnd.docker.image.rootfs.diff.tar";
    let compressed = media_type.replace(&format!("{DOCKER}."), "vnd.oci.image.layer.v1.tar+");
    compressed.replace(DOCKER, "vnd.oci.image.layer.v1.tar")
}

/// Go writes an empty list as null.
fn or_null<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    pub schema_version: u32,
    #[serde(default)]
    pub media_type: String,
    pub config: Descriptor,
    #[serde(default, deserialize_with = "or_null")]
    pub layers: Vec<Descriptor>,
    #[serde(default, deserialize_with = "or_null", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    pub schema_version: u32,
    #[serde(default)]
    pub media_type: String,
    #[serde(default, deserialize_with = "or_null")]
    pub manifests: Vec<Descriptor>,
    #[serde(default, deserialize_with = "or_null", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Default for Index {
    fn default() -> Self {
        Self { schema_version: 2, media_type: INDEX.into(), manifests: vec![], annotations: BTreeMap::new() }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ImageConfig {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    #[serde(default)]
    pub architecture: String,
    #[serde(default)]
    pub os: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<RunConfig>,
    pub rootfs: RootFs,
    #[serde(default, deserialize_with = "or_null", skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<History>,
    /// BuildKit's cache in the image itself: records in JSON, in base64.
    #[serde(default, rename = "moby.buildkit.cache.v0", skip_serializing_if = "Option::is_none")]
    pub inline_cache: Option<String>,
}

impl ImageConfig {
    pub fn platform(&self) -> Platform {
        Platform {
            os: self.os.clone(),
            architecture: self.architecture.clone(),
            variant: self.variant.clone(),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RootFs {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default, deserialize_with = "or_null")]
    pub diff_ids: Vec<Digest>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

/// `{}`: the value of maps that are used as sets. Any other value is read as `{}` too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Empty {}

impl<'de> Deserialize<'de> for Empty {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(from).map(|_| Self {})
    }
}

/// How containers of the image are run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RunConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposed_ports: Option<BTreeMap<String, Empty>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volumes: Option<BTreeMap<String, Empty>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// docker's own keys, which image-spec does not have: a health check, the instructions for images that are built on
    /// this one, and the shell of its instructions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_build: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<Vec<String>>,
}

/// docker's health check. Durations are nanoseconds; what is not set is docker's default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Healthcheck {
    /// `NONE`; or `CMD` and a program with its arguments; or `CMD-SHELL` and a line.
    #[serde(deserialize_with = "or_null", skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_period: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_interval: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<i64>,
}
