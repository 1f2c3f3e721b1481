//! What the store knows of one image.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::config::{Descriptor, ImageConfig};
use crate::digest::Digest;
use crate::error::Result;
use crate::reference::{Reference, digests_of_tags};
use crate::store::{Images, chain_ids};

/// An image of the store, its documents and where its layers are.
#[derive(Debug, Clone)]
pub struct ImageDetails {
    /// The digest of the configuration.
    pub id: Digest,
    /// `REPOSITORY:TAG`.
    pub tags: Vec<String>,
    /// `REPOSITORY@DIGEST`.
    pub digests: BTreeSet<String>,
    pub manifest: Descriptor,
    pub config: ImageConfig,
    /// The JSON text of the configuration's `config`, with the keys that this crate does not read: a health check for one.
    pub run_config: Option<String>,
    /// Bytes of the unpacked layers.
    pub size: u64,
    /// Where each layer is or would be unpacked, lowest first.
    pub layer_dirs: Vec<PathBuf>,
}

/// A configuration whose `config` is kept as it was written.
#[derive(Deserialize)]
struct Unread {
    #[serde(default)]
    config: Option<Box<RawValue>>,
}

impl Images {
    pub fn inspect(&self, name: &str) -> Result<ImageDetails> {
        let entry = self.find(name)?;
        let (manifest, config) = self.documents(&entry)?;
        let id = manifest.config.digest;
        let entries = self.entries_of(&id)?;
        let references: Vec<Reference> =
            entries.iter().filter_map(|entry| Reference::parse(entry.name()?).ok()).collect();
        let by_tag = references.iter().filter(|reference| reference.digest().is_none());
        let origins =
            entries.iter().flat_map(Descriptor::origins).filter_map(|origin| Reference::parse(&origin).ok());
        let by_digest = origins.chain(references.iter().filter(|name| name.digest().is_some()).cloned());
        let by_digest: BTreeSet<String> = by_digest.filter_map(|name| name.familiar_digest()).collect();
        let tags: Vec<String> = by_tag.map(Reference::familiar).collect();
        let unread: Unread = self.read_json(&id)?;
        Ok(ImageDetails {
            digests: digests_of_tags(by_digest, &tags),
            tags,
            run_config: run_config(unread),
            size: self.unpacked_size(&entry, &config)?,
            layer_dirs: chain_ids(&config).into_iter().map(|chain| self.layers().path(chain.hex())).collect(),
            manifest: entry,
            config,
            id,
        })
    }
}

/// What is no object has no keys to show.
fn run_config(unread: Unread) -> Option<String> {
    let text = unread.config.map(|config| config.get().to_owned());
    text.filter(|text| text.starts_with('{'))
}

/// The JSON text of the `config` of a configuration.
pub(crate) fn run_config_of(document: &[u8]) -> serde_json::Result<Option<String>> {
    serde_json::from_slice(document).map(run_config)
}
