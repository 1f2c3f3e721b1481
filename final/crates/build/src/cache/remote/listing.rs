//! What a cache lists. It is fetched and checked, because everything that is written there is untrusted.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use hull_image::Digest;
use hull_image::artifact::Repository;
use hull_image::config::{Descriptor, ImageConfig, Index, Manifest};
use hull_image::registry::{Access, AccessOptions};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::config::{CacheConfig, CacheLayer, CacheRecord, LayerAnnotations, MEDIA_TYPE};
use super::location::Source;
use crate::cache::Key;
use crate::error::{Error, IoContext, Result};

/// The limit for documents in a directory; a registry's client has the same.
const DOCUMENT: u64 = 4 << 20;

/// No image has more layers: the limit of overlayfs.
const MOST_LAYERS: usize = 500;

/// The steps of a cache whose layers are known.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Listing {
    pub steps: Vec<ListedStep>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ListedStep {
    pub key: Key,
    /// All layers of the stage up to the step, lowest first.
    pub layers: Vec<ListedLayer>,
    pub created: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ListedLayer {
    pub descriptor: Descriptor,
    pub diff_id: Digest,
}

/// Where documents are read from.
enum Reader<'a> {
    Registry(Box<Repository<'a>>),
    Directory(&'a Path),
}

impl Listing {
    /// Asks the location what it has. This may use threads.
    pub(super) fn fetch(source: &Source, registry: &AccessOptions) -> Result<Self> {
        match source {
            Source::Registry(reference) => {
                let access = Access::new(registry.clone())?;
                let repository = Repository::open(&access, reference)?;
                let top = repository.top()?;
                let reader = Reader::Registry(Box::new(repository));
                reader.listing(&top.descriptor, &top.bytes, true)
            }
            Source::Local { path, tag, digest } => {
                let index: Index = parse(&read(&path.join("index.json"))?, "index.json")?;
                let entry = index.manifests.iter().find(|entry| match digest {
                    Some(digest) => entry.digest == *digest,
                    None => entry.name() == Some(tag),
                });
                let wanted = digest.as_ref().map_or_else(|| tag.clone(), ToString::to_string);
                let missing = || Error::NoSuchFile { path: wanted.into(), place: source.to_string() };
                let entry = entry.ok_or_else(missing)?;
                let reader = Reader::Directory(path);
                reader.listing(entry, &reader.blob(entry)?, true)
            }
        }
    }

    /// The step of a key, with as many layers as the step's stage, whose layers below must be these; `None`: any.
    pub(super) fn find(&self, key: &Key, below: Option<&[Digest]>) -> Option<&ListedStep> {
        let fits = |step: &&ListedStep| {
            let Some((_, lower)) = step.layers.split_last() else { return false };
            let same = |below: &[Digest]| lower.iter().map(|layer| &layer.diff_id).eq(below);
            step.key == *key && below.is_none_or(same)
        };
        self.steps.iter().find(fits)
    }
}

impl Reader<'_> {
    fn blob(&self, wanted: &Descriptor) -> Result<Vec<u8>> {
        match self {
            Self::Registry(repository) => Ok(repository.small_blob(wanted)?),
            Self::Directory(path) => {
                let bytes = read(&path.join("blobs/sha256").join(wanted.digest.hex()))?;
                match Digest::of(&bytes) == wanted.digest {
                    true => Ok(bytes),
                    false => Err(damaged(&format!("the blob {} is another one", wanted.digest))),
                }
            }
        }
    }

    fn manifest(&self, wanted: &Descriptor) -> Result<Vec<u8>> {
        match self {
            Self::Registry(repository) => Ok(repository.manifest(&wanted.digest.to_string())?.bytes),
            Self::Directory(_) => self.blob(wanted),
        }
    }

    /// A manifest of a cache, an index of its blobs, an image that lists its own steps, or an index of such images.
    fn listing(&self, top: &Descriptor, bytes: &[u8], nested: bool) -> Result<Listing> {
        if !top.is_index() {
            let manifest: Manifest = parse(bytes, "the manifest")?;
            return match manifest.config.media_type == MEDIA_TYPE {
                true => self.of_config(&manifest.config, &manifest.layers),
                false => self.inline(&manifest),
            };
        }
        let index: Index = parse(bytes, "the index")?;
        if let Some(config) = index.manifests.iter().find(|entry| entry.media_type == MEDIA_TYPE) {
            return self.of_config(config, &index.manifests);
        }
        let mut all = Listing::default();
        for entry in index.manifests.iter().filter(|entry| nested && entry.is_manifest()) {
            all.steps.extend(self.listing(entry, &self.manifest(entry)?, false)?.steps);
        }
        Ok(all)
    }

    fn of_config(&self, config: &Descriptor, blobs: &[Descriptor]) -> Result<Listing> {
        let config: CacheConfig = parse(&self.blob(config)?, "the cache's configuration")?;
        let known: BTreeMap<&Digest, &Descriptor> = blobs.iter().map(|blob| (&blob.digest, blob)).collect();
        let layer = |layer: &CacheLayer| {
            let LayerAnnotations { diff_id, .. } = layer.annotations.clone().unwrap_or_default();
            let descriptor = Descriptor::clone(known.get(&layer.blob)?);
            Some(ListedLayer { descriptor, diff_id: diff_id? })
        };
        let layers: Vec<(Option<ListedLayer>, i64)> =
            config.layers.iter().map(|one| (layer(one), one.parent)).collect();
        Ok(Listing { steps: steps(&config.records, &layers) })
    }

    /// An image whose configuration lists the steps: the numbers are those of its layers.
    fn inline(&self, manifest: &Manifest) -> Result<Listing> {
        let config: ImageConfig = parse(&self.blob(&manifest.config)?, "the image's configuration")?;
        let Some(records) = config.inline_cache else { return Ok(Listing::default()) };
        let records = super::export::from_base64(&records)
            .ok_or_else(|| damaged("the records in the image's configuration are not in base64"))?;
        let records: Vec<CacheRecord> = parse(&records, "the records in the image's configuration")?;
        let layers = manifest.layers.iter().zip(config.rootfs.diff_ids).enumerate();
        let layers: Vec<_> = layers
            .map(|(at, (descriptor, diff_id))| {
                (Some(ListedLayer { descriptor: descriptor.clone(), diff_id }), at as i64 - 1)
            })
            .collect();
        Ok(Listing { steps: steps(&records, &layers) })
    }
}

/// The steps whose layers are all known. A number that is wrong, or leads around in a circle, leaves a step out.
fn steps(records: &[CacheRecord], layers: &[(Option<ListedLayer>, i64)]) -> Vec<ListedStep> {
    let chain = |top: usize| {
        let mut chain = Vec::new();
        let mut at = i64::try_from(top).ok()?;
        while at >= 0 {
            let (layer, below) = layers.get(usize::try_from(at).ok()?)?;
            chain.push(layer.clone().filter(|layer| layer.descriptor.is_layer())?);
            at = *below;
            if chain.len() > MOST_LAYERS {
                return None;
            }
        }
        chain.reverse();
        Some(chain)
    };
    let mut steps = Vec::new();
    for record in records {
        let Some(key) = &record.digest else { continue };
        for result in &record.results {
            if let Some(layers) = chain(result.layer) {
                steps.push(ListedStep { key: key.clone(), layers, created: result.created_at.clone() });
            }
        }
    }
    steps
}

fn parse<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| damaged(&format!("{what} cannot be read: {error}")))
}

fn damaged(why: &str) -> Error {
    Error::Invalid { what: "cache".into(), why: why.into() }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let context = || format!("read {}", path.display());
    let file = hull_storage::file::open(path).context(context)?;
    let mut bytes = Vec::new();
    file.take(DOCUMENT + 1).read_to_end(&mut bytes).context(context)?;
    match bytes.len() as u64 > DOCUMENT {
        true => Err(damaged(&format!("{} has more than {} MiB", path.display(), DOCUMENT >> 20))),
        false => Ok(bytes),
    }
}

/// The blob of a layer in a directory, which is verified when it is unpacked.
pub(super) fn local_blob(directory: &Path, layer: &ListedLayer) -> PathBuf {
    directory.join("blobs/sha256").join(layer.descriptor.digest.hex())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::remote::config::CacheResult;
    use hull_image::config::LAYER;

    fn layer(name: &str) -> ListedLayer {
        let digest = Digest::of(name.as_bytes());
        ListedLayer { descriptor: Descriptor::new(LAYER, digest.clone(), 1), diff_id: digest }
    }

    #[test]
    fn a_steps_layers_are_those_below_it_too() {
        let record = |key: &str, layer| CacheRecord {
            digest: Some(Digest::of(key.as_bytes())),
            results: vec![CacheResult { layer, created_at: None }],
            inputs: vec![],
        };
        let layers = [
            (Some(layer("base")), -1),
            (Some(layer("one")), 0),
            (Some(layer("two")), 1),
            (None, 1),
            (Some(layer("circle")), 4),
            (Some(layer("far")), 99),
        ];
        let records: Vec<_> = (0..7).map(|at| record(&format!("key {at}"), at)).collect();
        let listing = Listing { steps: steps(&records, &layers) };
        let keys: Vec<_> = listing.steps.iter().map(|step| step.layers.len()).collect();
        assert_eq!(keys, [1, 2, 3]);
        let key = Digest::of(b"key 2");
        let below = [layer("base").diff_id, layer("one").diff_id];
        assert!(listing.find(&key, Some(&below)).is_some() && listing.find(&key, None).is_some());
        assert!(listing.find(&key, Some(&below[..1])).is_none());
        assert!(listing.find(&Digest::of(b"other"), None).is_none());
    }
}
