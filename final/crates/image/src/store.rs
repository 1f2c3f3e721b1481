//! The images of a root: an OCI image layout that other tools can read.
//!
//! ```text
//! index.json          a descriptor per name, with the name as its annotation
//! blobs/sha256/…      manifests, configurations, layers as they came
//! layers/<chain-id>   what a container mounts, unpacked once
//! ```
//! `index.json` is changed under its lock and renamed over; a reader takes none. A blob appears whole under its digest.

use std::fs::File;
use std::path::PathBuf;

use hull_storage::layers::LayerStore;
use hull_storage::lock::Lock;
use hull_storage::root::Root;
use serde::de::DeserializeOwned;

use crate::config::{self, Descriptor, ImageConfig, Index, Manifest, REF_NAME};
use crate::digest::Digest;
use crate::error::{Context, Error, Result};
use crate::reference::Reference;

#[derive(Debug, Clone)]
pub struct Images {
    root: Root,
}

/// An image that can be run: its layers are unpacked.
#[derive(Debug, Clone)]
pub struct Image {
    /// The configuration's digest.
    pub id: Digest,
    pub config: ImageConfig,
    pub manifest: Manifest,
    /// Lowest first.
    pub layer_dirs: Vec<PathBuf>,
}

/// A line of `hull images`.
#[derive(Debug, Clone)]
pub struct ImageRecord {
    /// Familiar names; empty for an image that lost its last one.
    pub names: Vec<String>,
    pub id: Digest,
    pub manifest_digest: Digest,
    pub created: Option<String>,
    /// Bytes of the unpacked layers.
    pub size: u64,
    pub platform: String,
}

/// What `rmi` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    Untagged(String),
    Deleted(String),
}

#[derive(Debug, Clone, Default)]
pub struct PrunedImages {
    pub deleted: Vec<String>,
    pub bytes: u64,
}

impl Images {
    pub fn open(root: &Root) -> Result<Self> {
        Ok(Self { root: root.clone() })
    }

    pub fn layers(&self) -> LayerStore {
        LayerStore::new(&self.root)
    }

    pub(crate) fn root(&self) -> &Root {
        &self.root
    }

    /// Name, id, or the beginning of an id.
    pub fn resolve(&self, name: &str) -> Result<Image> {
        self.load(&self.find(name)?)
    }

    fn find(&self, name: &str) -> Result<Descriptor> {
        let index = self.index()?;
        let canonical = Reference::parse(name).ok().map(|reference| reference.canonical());
        let by_name = |entry: &&Descriptor| entry.annotations.get(REF_NAME) == canonical.as_ref();
        if canonical.is_some()
            && let Some(entry) = index.manifests.iter().find(by_name)
        {
            return Ok(entry.clone());
        }
        let hex = name.strip_prefix("sha256:").unwrap_or(name);
        let could_be_id = hex.len() >= 3 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        for entry in index.manifests.iter().filter(|_| could_be_id) {
            let manifest: Manifest = self.read_json(&entry.digest)?;
            if manifest.config.digest.hex().starts_with(hex) || entry.digest.hex() == hex {
                return Ok(entry.clone());
            }
        }
        Err(Error::NoSuchImage { name: name.into(), nearest: nearest(name, &index) })
    }

    fn load(&self, entry: &Descriptor) -> Result<Image> {
        let manifest: Manifest = self.read_json(&entry.digest)?;
        let config: ImageConfig = self.read_json(&manifest.config.digest)?;
        let layers = self.layers();
        let chain = chain_ids(&config);
        for (id, descriptor) in chain.iter().zip(&manifest.layers) {
            if !layers.has(id.hex()) {
                self.unpack(descriptor, id)?;
            }
        }
        let layer_dirs = chain.iter().map(|id| layers.path(id.hex())).collect();
        Ok(Image { id: manifest.config.digest.clone(), config, manifest, layer_dirs })
    }

    pub(crate) fn unpack(&self, descriptor: &Descriptor, chain_id: &Digest) -> Result<()> {
        let blob = self.open_blob(&descriptor.digest)?;
        let layers = self.layers();
        let staged = layers.begin(chain_id.hex())?;
        crate::layer::apply(crate::compression::decompress(blob)?, staged.diff())?;
        Ok(staged.publish(&layers)?)
    }

    pub fn list(&self) -> Result<Vec<ImageRecord>> {
        let mut records: Vec<ImageRecord> = Vec::new();
        for entry in self.index()?.manifests {
            let names = entry.annotations.get(REF_NAME).and_then(|name| Reference::parse(name).ok());
            let names: Vec<String> = names.iter().map(Reference::familiar).collect();
            if let Some(record) = records.iter_mut().find(|record| record.manifest_digest == entry.digest) {
                record.names.extend(names);
                continue;
            }
            let manifest: Manifest = self.read_json(&entry.digest)?;
            let config: ImageConfig = self.read_json(&manifest.config.digest)?;
            let layers = self.layers();
            let sizes = chain_ids(&config).into_iter().map(|id| layers.size(id.hex()));
            records.push(ImageRecord {
                names,
                id: manifest.config.digest,
                manifest_digest: entry.digest,
                size: sizes.sum::<std::result::Result<u64, _>>()?,
                platform: format!("{}/{}", config.os, config.architecture),
                created: config.created,
            });
        }
        records.sort_by(|a, b| b.created.cmp(&a.created));
        Ok(records)
    }

    /// Gives an image one more name; an image that had it loses it.
    pub fn tag(&self, source: &str, target: &Reference) -> Result<()> {
        let entry = self.find(source)?;
        self.name(entry, Some(target))
    }

    pub(crate) fn name(&self, mut entry: Descriptor, reference: Option<&Reference>) -> Result<()> {
        self.change_index(|index| {
            let name = reference.map(Reference::canonical);
            if let Some(name) = &name {
                index.manifests.retain(|other| other.annotations.get(REF_NAME) != Some(name));
            }
            let bare = |other: &Descriptor| other.annotations.is_empty() && other.digest == entry.digest;
            index.manifests.retain(|other| !bare(other));
            entry.annotations = name.map(|name| (REF_NAME.to_owned(), name)).into_iter().collect();
            index.manifests.push(entry.clone());
        })
    }

    /// Takes a name away; with the last one, or by id, the image goes. `used_by` names a container that needs it.
    pub fn remove(
        &self,
        name: &str,
        force: bool,
        used_by: &dyn Fn(&Digest) -> Option<String>,
    ) -> Result<Vec<Removed>> {
        let entry = self.find(name)?;
        let manifest: Manifest = self.read_json(&entry.digest)?;
        let id = manifest.config.digest;
        let same = |other: &&Descriptor| other.digest == entry.digest;
        let index = self.index()?;
        let names: Vec<String> = index
            .manifests
            .iter()
            .filter(same)
            .filter_map(|other| other.annotations.get(REF_NAME).cloned())
            .collect();
        let canonical = Reference::parse(name).map(|reference| reference.canonical()).ok();
        let by_name = canonical.filter(|canonical| names.contains(canonical));
        let going: Vec<String> = match &by_name {
            Some(name) => vec![name.clone()],
            None if names.len() > 1 && !force => {
                return Err(Error::Invalid {
                    what: format!("removal of {name}"),
                    why: format!("it has several names: {}; use -f", names.join(", ")),
                });
            }
            None => names.clone(),
        };
        let last = going.len() == names.len();
        if last && let Some(container) = used_by(&id).filter(|_| !force) {
            return Err(Error::InUse { name: name.into(), container });
        }
        let keep_for_container = last && used_by(&id).is_some();
        self.change_index(|index| {
            index.manifests.retain(|other| {
                other.digest != entry.digest
                    || other.annotations.get(REF_NAME).is_some_and(|name| !going.contains(name))
            });
            if keep_for_container {
                index.manifests.push(Descriptor { annotations: Default::default(), ..entry.clone() });
            }
        })?;
        let familiar =
            |name: &String| Reference::parse(name).map_or(name.clone(), |parsed| parsed.familiar());
        let mut removed: Vec<Removed> = going.iter().map(|name| Removed::Untagged(familiar(name))).collect();
        if last && !keep_for_container {
            self.collect()?;
            removed.push(Removed::Deleted(id.to_string()));
        }
        Ok(removed)
    }

    /// Removes images without a name, or with `all` every one that no container uses, and what no image needs.
    pub fn prune(&self, all: bool, in_use: &dyn Fn(&Digest) -> bool) -> Result<PrunedImages> {
        let mut pruned = PrunedImages::default();
        for record in self.list()? {
            if (all || record.names.is_empty()) && !in_use(&record.id) {
                self.change_index(|index| index.manifests.retain(|e| e.digest != record.manifest_digest))?;
                pruned.deleted.push(record.id.to_string());
                pruned.bytes += record.size;
            }
        }
        self.collect()?;
        Ok(pruned)
    }

    /// Removes blobs and layers that no manifest of the index refers to.
    fn collect(&self) -> Result<()> {
        let _lock = self.lock()?;
        let (mut blobs, mut chains) = (Vec::new(), Vec::new());
        for entry in self.index()?.manifests {
            let manifest: Manifest = self.read_json(&entry.digest)?;
            let config: ImageConfig = self.read_json(&manifest.config.digest)?;
            chains.extend(chain_ids(&config).into_iter().map(|id| id.hex().to_owned()));
            blobs.extend(manifest.layers.iter().map(|layer| layer.digest.hex().to_owned()));
            blobs.extend([entry.digest.hex().to_owned(), manifest.config.digest.hex().to_owned()]);
        }
        let directory = self.root.blobs_dir();
        for entry in std::fs::read_dir(&directory).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name.to_str().is_some_and(|name| name.len() == 64 && !blobs.iter().any(|blob| blob == name)) {
                hull_storage::file::remove(&entry.path())?;
            }
        }
        let layers = self.layers();
        for chain in layers.list()?.into_iter().filter(|chain| !chains.contains(chain)) {
            layers.remove(&chain)?;
        }
        Ok(layers.collect()?)
    }

    fn index(&self) -> Result<Index> {
        Ok(hull_storage::file::read_json(&self.root.data().join("index.json"))?.unwrap_or_default())
    }

    fn lock(&self) -> Result<Lock> {
        Ok(Lock::exclusive(&self.root.data().join("index.lock"))?)
    }

    fn change_index(&self, change: impl FnOnce(&mut Index)) -> Result<()> {
        let _lock = self.lock()?;
        let mut index = self.index()?;
        change(&mut index);
        let layout = self.root.data().join("oci-layout");
        if !layout.exists() {
            hull_storage::file::write_atomic(&layout, br#"{"imageLayoutVersion":"1.0.0"}"#, 0o644)?;
        }
        Ok(hull_storage::file::write_json_atomic(&self.root.data().join("index.json"), &index)?)
    }

    pub(crate) fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.root.blobs_dir().join(digest.hex())
    }

    pub(crate) fn open_blob(&self, digest: &Digest) -> Result<File> {
        let path = self.blob_path(digest);
        File::open(&path).context(|| format!("open {}", path.display()))
    }

    pub(crate) fn put_blob(&self, media_type: &str, bytes: &[u8]) -> Result<Descriptor> {
        let digest = Digest::of(bytes);
        hull_storage::root::make_dirs(&self.root.blobs_dir(), 0o755)?;
        hull_storage::file::write_atomic(&self.blob_path(&digest), bytes, 0o644)?;
        let size = bytes.len() as u64;
        Ok(Descriptor { media_type: media_type.into(), digest, size, annotations: Default::default() })
    }

    fn read_json<T: DeserializeOwned>(&self, digest: &Digest) -> Result<T> {
        let path = self.blob_path(digest);
        let bytes = std::fs::read(&path).context(|| format!("read {}", path.display()))?;
        serde_json::from_slice(&bytes)
            .map_err(|source| Error::Json { path: path.display().to_string(), source })
    }

    /// Writes the configuration and the manifest of layers that are in the store, and names them.
    pub(crate) fn publish(
        &self,
        config: &ImageConfig,
        layers: Vec<Descriptor>,
        name: Option<&Reference>,
    ) -> Result<Digest> {
        let json = |value: serde_json::Result<Vec<u8>>| {
            value.map_err(|source| Error::Json { path: "the image's configuration".into(), source })
        };
        let described = self.put_blob(config::CONFIG, &json(serde_json::to_vec(config))?)?;
        let id = described.digest.clone();
        let manifest =
            Manifest { schema_version: 2, media_type: config::MANIFEST.into(), config: described, layers };
        let entry = self.put_blob(config::MANIFEST, &json(serde_json::to_vec(&manifest))?)?;
        self.name(entry, name)?;
        Ok(id)
    }
}

/// The chain ID of each layer, lowest first.
pub(crate) fn chain_ids(config: &ImageConfig) -> Vec<Digest> {
    let mut chain: Vec<Digest> = Vec::with_capacity(config.rootfs.diff_ids.len());
    for diff_id in &config.rootfs.diff_ids {
        chain.push(Digest::chain(chain.last(), diff_id));
    }
    chain
}

/// A name here that differs by a letter or two.
fn nearest(name: &str, index: &Index) -> Option<String> {
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
