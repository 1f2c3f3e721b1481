//! The images of a root: an OCI image layout that other tools can read.
//!
//! ```text
//! images/ index.json  the images and their names: `catalog`
//! blobs/sha256/…      manifests, configurations, layers as they were received
//! layers/<chain-id>   unpacked layers, which containers mount
//! ```
//! A blob appears whole under its digest, so readers take no lock.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};

use hull_storage::file;
use hull_storage::layers::LayerStore;
use hull_storage::lock;
use hull_storage::root::Root;
use rustix::fs::FlockOperation;
use serde::de::DeserializeOwned;

use crate::catalog::Line;
use crate::child::in_child;
use crate::config::{Descriptor, ImageConfig, Manifest};
use crate::digest::Digest;
use crate::error::{Error, IoContext, Result};
use crate::layer::{Packed, Source, unpack};
use crate::left_out::Reporter;
use crate::platform::Platform;
use crate::reference::{Reference, digests_of_tags};

#[derive(Debug, Clone)]
pub struct Images {
    root: Root,
    left_out: Reporter,
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
    /// `REPOSITORY@DIGEST` of the registries that are known to have it.
    pub digests: BTreeSet<String>,
    pub id: Digest,
    pub manifest_digest: Digest,
    pub created: Option<String>,
    /// Bytes of the unpacked layers.
    pub size: u64,
    pub platform: String,
    pub labels: BTreeMap<String, String>,
    /// Chain IDs, lowest first.
    pub layers: Vec<Digest>,
    /// Why the image cannot be used, if it is damaged. The other fields are then mostly empty.
    pub damaged: Option<String>,
}

impl Images {
    /// Reads nothing yet, except in a root that an older hull wrote, which is upgraded once.
    pub fn open(root: &Root) -> Result<Self> {
        let images = Self { root: root.clone(), left_out: Reporter::default() };
        if root.is_outdated() {
            match images.upgrade() {
                // A damaged index is reported by commands that use images. The others continue.
                Err(Error::Json { .. }) => {}
                upgraded => upgraded?,
            }
        }
        Ok(images)
    }

    /// Sets who is told what is left out when layers are unpacked.
    pub fn with_reporter(self, left_out: Reporter) -> Self {
        Self { left_out, ..self }
    }

    /// Unpacks the layers that the store does not have: [`unpack`].
    pub(crate) fn unpack(&self, images: &[Vec<Packed<'_>>]) -> Result<()> {
        self.left_out.report(&unpack(&self.layers(), images)?);
        Ok(())
    }

    pub fn layers(&self) -> LayerStore {
        LayerStore::new(&self.root)
    }

    pub(crate) fn root(&self) -> &Root {
        &self.root
    }

    /// Finds an image by name, id or the beginning of an id. Unpacks its layers if they are missing.
    pub fn resolve(&self, name: &str) -> Result<Image> {
        self.load(&self.find(name)?)
    }

    pub(crate) fn find(&self, name: &str) -> Result<Descriptor> {
        if let Ok(reference) = Reference::parse(name)
            && let Some(entry) = self.named(&reference)?
        {
            return Ok(entry);
        }
        let catalog = self.catalog()?;
        let origin = Reference::parse(name).ok().and_then(|name| Some(name.by_digest(name.digest()?)));
        let with_origin = origin.and_then(|origin| catalog.with_origin(&origin.canonical()));
        match with_origin.or_else(|| catalog.find(name)) {
            Some(line) => line.entry(),
            None => Err(Error::NoSuchImage { name: name.into(), nearest: catalog.nearest(name) }),
        }
    }

    /// An image's id, and the chain ID of its highest layer, which stands for all below it too.
    pub fn identity(&self, name: &str) -> Result<(Digest, Option<Digest>)> {
        let (manifest, config) = self.documents(&self.find(name)?)?;
        Ok((manifest.config.digest, chain_ids(&config).pop()))
    }

    /// An image's id and labels, found without looking at other images if `name` is a name.
    pub fn labels(&self, name: &str) -> Result<(Digest, BTreeMap<String, String>)> {
        let (manifest, config) = self.documents(&self.find(name)?)?;
        Ok((manifest.config.digest, config.config.and_then(|config| config.labels).unwrap_or_default()))
    }

    /// Whether an image has exactly this name.
    pub fn has(&self, reference: &Reference) -> bool {
        self.named(&reference.local()).is_ok_and(|found| found.is_some())
    }

    /// The error for an image that does not exist, with the name that is nearest to `name`.
    pub fn missing(&self, name: &str) -> Error {
        let nearest = self.catalog().ok().and_then(|catalog| catalog.nearest(name));
        Error::NoSuchImage { name: name.into(), nearest }
    }

    /// The entry of exactly this name.
    pub(crate) fn named(&self, reference: &Reference) -> Result<Option<Descriptor>> {
        self.entry(&reference.canonical())
    }

    /// All entries of this repository, whatever the tag or digest.
    pub(crate) fn of_repository(&self, wanted: &Reference) -> Result<Vec<(Reference, Descriptor)>> {
        let named = |line: &Line| {
            let name = Reference::parse(line.name()?).ok()?;
            let of_it = name.canonical_repository() == wanted.canonical_repository();
            of_it.then(|| line.entry().map(|entry| (name, entry)))
        };
        self.catalog()?.lines().filter_map(named).collect()
    }

    /// Whether the store has all blobs of an image.
    pub(crate) fn is_whole(&self, manifest: &Manifest) -> bool {
        let there = |blob: &Descriptor| {
            std::fs::metadata(self.blob_path(&blob.digest)).is_ok_and(|file| file.len() == blob.size)
        };
        manifest.layers.iter().chain([&manifest.config]).all(there)
    }

    /// Opens a blob and locks it. While the file is open, garbage collection does not remove the blob.
    pub(crate) fn hold_blob(&self, digest: &Digest) -> Result<Option<File>> {
        Ok(lock::hold(&self.blob_path(digest))?)
    }

    /// Opens and locks those layers of an image that are unpacked, like [`Self::hold_blob`].
    pub(crate) fn hold_layers(&self, config: &ImageConfig) -> Result<Vec<File>> {
        let layers = self.layers();
        let held = chain_ids(config).into_iter().map(|id| lock::hold(&layers.path(id.hex())));
        Ok(held.collect::<hull_storage::Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// Opens and locks what an image consists of: while the files are open, garbage collection
    /// removes none of it.
    pub fn hold_image(&self, image: &Image) -> Result<Vec<File>> {
        let mut held = self.hold_layers(&image.config)?;
        for layer in &image.manifest.layers {
            held.extend(self.hold_blob(&layer.digest)?);
        }
        Ok(held)
    }

    fn load(&self, entry: &Descriptor) -> Result<Image> {
        let (manifest, config) = self.documents(entry)?;
        let (layers, chain) = (self.layers(), chain_ids(&config));
        if manifest.layers.len() != chain.len() {
            return Err(Error::Damaged(format!(
                "image {} has layers without a diff ID",
                manifest.config.digest
            )));
        }
        if chain.iter().any(|id| !layers.has(id.hex())) {
            let blobs: Vec<PathBuf> =
                manifest.layers.iter().map(|layer| self.blob_path(&layer.digest)).collect();
            let packed = |(blob, diff_id)| Packed {
                source: Source::Blob(blob),
                diff_id: Digest::clone(diff_id),
                note_missing_end: false,
            };
            let packed =
                blobs.iter().map(PathBuf::as_path).zip(&config.rootfs.diff_ids).map(packed).collect();
            in_child(|| self.unpack(&[packed]))?;
        }
        let layer_dirs = chain.iter().map(|id| layers.path(id.hex())).collect();
        Ok(Image { id: manifest.config.digest.clone(), config, manifest, layer_dirs })
    }

    pub(crate) fn documents(&self, entry: &Descriptor) -> Result<(Manifest, ImageConfig)> {
        let manifest: Manifest = self.read_json(&entry.digest)?;
        let config = self.read_json(&manifest.config.digest)?;
        Ok((manifest, config))
    }

    pub(crate) fn id_of(&self, entry: &Descriptor) -> Result<Digest> {
        Ok(self.read_json::<Manifest>(&entry.digest)?.config.digest)
    }

    /// The newest first. Damaged images are included.
    pub fn list(&self) -> Result<Vec<ImageRecord>> {
        let mut records: Vec<ImageRecord> = Vec::new();
        // The store may have the same image twice, with differently compressed layers.
        let mut known: HashMap<String, usize> = HashMap::new();
        for line in self.catalog()?.lines() {
            let at = match known.get(line.id()) {
                Some(at) => *at,
                None => {
                    records.push(self.record(line)?);
                    known.insert(line.id().into(), records.len() - 1);
                    records.len() - 1
                }
            };
            let origins = line.origins().filter_map(|origin| Reference::parse(origin).ok());
            records[at].digests.extend(origins.filter_map(|origin| origin.familiar_digest()));
            let Some(name) = line.name().and_then(|name| Reference::parse(name).ok()) else { continue };
            records[at].digests.extend(name.familiar_digest());
            records[at].names.push(name.familiar());
        }
        for record in &mut records {
            let tags: Vec<String> = record.names.iter().filter(|name| !name.contains('@')).cloned().collect();
            record.digests = digests_of_tags(std::mem::take(&mut record.digests), &tags);
        }
        records.sort_by(|a, b| b.created.cmp(&a.created));
        Ok(records)
    }

    fn record(&self, line: &Line) -> Result<ImageRecord> {
        let entry = line.entry()?;
        let mut record = ImageRecord {
            names: vec![],
            digests: BTreeSet::new(),
            id: Digest::parse(line.id())?,
            manifest_digest: entry.digest.clone(),
            created: None,
            size: entry.unpacked_size().unwrap_or(0),
            platform: entry.platform.as_ref().map(Platform::to_string).unwrap_or_default(),
            labels: BTreeMap::new(),
            layers: vec![],
            damaged: None,
        };
        match self.documents(&entry) {
            Err(error) => record.damaged = Some(error.to_string()),
            Ok((_, config)) => {
                record.size = self.unpacked_size(&entry, &config).unwrap_or(0);
                record.layers = chain_ids(&config);
                record.platform = config.platform().to_string();
                record.labels = config.config.and_then(|config| config.labels).unwrap_or_default();
                record.created = config.created;
            }
        }
        Ok(record)
    }

    pub(crate) fn unpacked_size(&self, entry: &Descriptor, config: &ImageConfig) -> Result<u64> {
        entry.unpacked_size().map_or_else(|| self.measure(config, 0), Ok)
    }

    /// Bytes of the unpacked layers without the lowest `known` ones.
    pub(crate) fn measure(&self, config: &ImageConfig, known: usize) -> Result<u64> {
        let layers = self.layers();
        let sizes = chain_ids(config).into_iter().skip(known).map(|id| layers.size(id.hex()));
        Ok(sizes.sum::<std::result::Result<u64, _>>()?)
    }

    /// Gives an image another name. An image that had this name keeps its other names, or becomes unnamed.
    pub fn tag(&self, source: &str, target: &Reference) -> Result<()> {
        let entry = self.find(source)?;
        self.change_catalog(|catalog| catalog.set(entry, Some(&target.canonical())))
    }

    /// Where a blob is, or would be.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.root.blobs_dir().join(digest.hex())
    }

    pub(crate) fn open_blob(&self, digest: &Digest) -> Result<File> {
        let path = self.blob_path(digest);
        file::open(&path).context(|| format!("open {}", path.display()))
    }

    pub(crate) fn read_json<T: DeserializeOwned>(&self, digest: &Digest) -> Result<T> {
        let path = self.blob_path(digest);
        let bytes = file::read(&path).context(|| format!("read {}", path.display()))?;
        serde_json::from_slice(&bytes)
            .map_err(|source| Error::Json { path: path.display().to_string(), source })
    }
}

/// The chain ID of each layer, lowest first.
pub fn chain_ids(config: &ImageConfig) -> Vec<Digest> {
    Digest::chains(config.rootfs.diff_ids.iter())
}

/// Locks a file or directory that no process holds. No process can lock it until the returned file is closed.
pub(crate) fn lock_unused(path: &Path) -> Option<File> {
    let file = file::open(path).ok()?;
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
    Some(file)
}
