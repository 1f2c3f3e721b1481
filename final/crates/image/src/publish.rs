//! Makes images visible: moves their blobs to their names and adds entries to the catalog, all under one lock.

use std::collections::{BTreeMap, HashSet};

use rustix::fs::{Mode, OFlags};

use crate::config::{self, Descriptor, ID, INDEX_DIGEST, ImageConfig, Manifest, UNPACKED_SIZE};
use crate::digest::Digest;
use crate::error::{Error, IoContext, Result};
use crate::reference::Reference;
use crate::staging::{Staged, Staging};
use crate::store::{Images, chain_ids};

/// An image whose blobs are all staged and whose layers are unpacked.
pub(crate) struct NewImage {
    pub manifest: Staged,
    pub media_type: String,
    pub config: Staged,
    pub parsed: ImageConfig,
    /// The layers that the store does not have.
    pub layers: Vec<Staged>,
    pub names: Vec<Reference>,
    /// The index that the names stand for.
    pub index: Option<Digest>,
    /// Documents that come with it: the index, and the manifests and configurations of other platforms.
    pub documents: Vec<Staged>,
    /// Blobs elsewhere on the same file system, which get another link in the store.
    pub linked: Vec<Staged>,
    /// The registry that it came from, with the digest there.
    pub origin: Option<Reference>,
    pub measured: Measured,
}

/// The known size of an image's lowest layers. Measuring a layer reads all of its directories.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Measured {
    pub layers: usize,
    pub bytes: u64,
}

impl NewImage {
    /// Writes the manifest of an image that was created here or came without one.
    pub(crate) fn describe(
        staging: &Staging,
        config: Staged,
        parsed: ImageConfig,
        layers: Vec<(String, Staged)>,
        names: Vec<Reference>,
        annotations: BTreeMap<String, String>,
    ) -> Result<Self> {
        let layer = |(media_type, layer): &(String, Staged)| {
            Descriptor::new(media_type, layer.digest.clone(), layer.size)
        };
        let manifest = Manifest {
            schema_version: 2,
            media_type: config::MANIFEST.into(),
            config: Descriptor::new(config::CONFIG, config.digest.clone(), config.size),
            layers: layers.iter().map(layer).collect(),
            annotations,
        };
        let manifest = staging.add_bytes(&to_json(&manifest)?)?;
        let layers = layers.into_iter().map(|(_, layer)| layer).collect();
        Ok(Self {
            manifest,
            media_type: config::MANIFEST.into(),
            config,
            parsed,
            layers,
            names,
            index: None,
            documents: vec![],
            linked: vec![],
            origin: None,
            measured: Measured::default(),
        })
    }

    fn blobs(&self) -> impl Iterator<Item = &Staged> {
        self.layers.iter().chain(&self.documents).chain([&self.config, &self.manifest])
    }
}

pub(crate) fn to_json<T: serde::Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|source| Error::Json { path: "the image's description".into(), source })
}

impl Images {
    /// Makes images visible. Each appears whole.
    pub(crate) fn publish(&self, staging: &Staging, images: &[NewImage]) -> Result<()> {
        let mut entries = Vec::new();
        for image in images {
            let mut entry =
                Descriptor::new(&image.media_type, image.manifest.digest.clone(), image.manifest.size);
            let size = image.measured.bytes + self.measure(&image.parsed, image.measured.layers)?;
            // Garbage collection may remove the layers until the catalog names them. They are unpacked again when the
            // image is used, but their size is unknown.
            if chain_ids(&image.parsed).iter().all(|id| self.layers().has(id.hex())) {
                entry.annotations.insert(UNPACKED_SIZE.into(), size.to_string());
            }
            entry.annotations.insert(ID.into(), image.config.digest.to_string());
            if let Some(index) = &image.index {
                entry.annotations.insert(INDEX_DIGEST.into(), index.to_string());
            }
            entry.platform = Some(image.parsed.platform());
            if let Some(origin) = &image.origin {
                entry.add_origin(origin.canonical());
            }
            entries.push(entry);
        }
        sync(staging)?;
        let chains: Vec<Digest> = images.iter().flat_map(|image| chain_ids(&image.parsed)).collect();
        self.layers().note_synced(chains.iter().map(Digest::hex))?;
        hull_storage::directory::make_dirs(&self.root().blobs_dir(), 0o710)?;
        let mut change = self.change()?;
        let mut moved: HashSet<&Digest> = HashSet::new();
        for blob in images.iter().flat_map(NewImage::blobs) {
            // Several images may have the same layer.
            if moved.insert(&blob.digest) {
                let path = self.blob_path(&blob.digest);
                std::fs::rename(&blob.path, &path).context(|| format!("store {}", path.display()))?;
            }
        }
        for blob in images.iter().flat_map(|image| &image.linked) {
            let path = self.blob_path(&blob.digest);
            match std::fs::hard_link(&blob.path, &path) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                linked => linked.context(|| format!("store {}", path.display()))?,
            }
        }
        for (image, entry) in images.iter().zip(&entries) {
            if image.names.is_empty() {
                change.catalog.set(entry.clone(), None)?;
            }
            for name in &image.names {
                change.catalog.set(entry.clone(), Some(&name.canonical()))?;
            }
        }
        change.finish()
    }
}

/// Flushes all blobs with one sync, so that they are on the disk before the catalog refers to them.
pub(crate) fn sync(staging: &Staging) -> Result<()> {
    let context = || format!("sync {}", staging.path().display());
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(staging.path(), flags, Mode::empty()).context(context)?;
    rustix::fs::syncfs(&directory).context(context)
}
