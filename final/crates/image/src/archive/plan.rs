//! What an archive contains.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use crate::assemble::{Assembled, Assembly};
use crate::config::{CONTAINERD_NAME, Descriptor, Index, Manifest, REF_NAME};
use crate::digest::Digest;
use crate::error::{Error, IoContext, Result};
use crate::reference::Reference;
use crate::store::Images;

/// A line of docker's `manifest.json`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DockerEntry {
    config: String,
    repo_tags: Vec<String>,
    layers: Vec<String>,
}

/// Where the bytes of a blob are.
pub(super) enum Bytes {
    Store,
    File(PathBuf),
    Memory(Vec<u8>),
}

/// The content of the archive. It is sorted, so that the same images give the same archive.
#[derive(Default)]
pub(super) struct Plan {
    /// Sizes and places by digest. A blob that several images share is written once.
    pub blobs: BTreeMap<Digest, (u64, Bytes)>,
    pub index: Index,
    pub docker: Vec<DockerEntry>,
}

impl Plan {
    /// docker's rules: a name without a tag stands for all images of the repository, and an image that is given by its
    /// id is saved without a name.
    pub(super) fn add(&mut self, images: &Images, name: &str) -> Result<()> {
        let named = Reference::parse(name).ok();
        if let Some(repository) = named.as_ref().filter(|_| !Reference::names_tag(name)) {
            let all = images.of_repository(repository)?;
            if !all.is_empty() {
                return all.into_iter().try_for_each(|(name, found)| self.add_one(images, found, Some(name)));
            }
        }
        let found = images.find(name)?;
        let named = named.filter(|name| found.name() == Some(&name.canonical()));
        self.add_one(images, found, named)
    }

    fn add_one(&mut self, images: &Images, found: Descriptor, named: Option<Reference>) -> Result<()> {
        let (manifest, config) = images.documents(&found)?;
        let mut entry = Descriptor::new(&found.media_type, found.digest.clone(), found.size);
        entry.platform = Some(config.platform()).filter(|platform| !platform.architecture.is_empty());
        self.add_manifest(&entry, &manifest);
        if let Some(digest) = found.index_digest() {
            entry = self.add_index(images, digest)?;
        }
        self.list(&entry, named.as_ref());
        self.list_for_docker(&manifest, named.as_ref());
        Ok(())
    }

    /// The index that a name stands for, with the images of all platforms.
    fn add_index(&mut self, images: &Images, digest: Digest) -> Result<Descriptor> {
        let index: Index = images.read_json(&digest)?;
        for entry in &index.manifests {
            self.add_manifest(entry, &images.read_json(&entry.digest)?);
        }
        let path = images.blob_path(&digest);
        let size = std::fs::metadata(&path).context(|| format!("look at {}", path.display()))?.len();
        self.blobs.insert(digest.clone(), (size, Bytes::Store));
        Ok(Descriptor::new(&index.media_type, digest, size))
    }

    fn add_manifest(&mut self, entry: &Descriptor, manifest: &Manifest) {
        for blob in manifest.layers.iter().chain([&manifest.config, entry]) {
            self.blobs.insert(blob.digest.clone(), (blob.size, Bytes::Store));
        }
    }

    /// Adds an image that need not be in the store. `annotations` are those of its descriptor in the layout's index.
    pub(super) fn add_assembled(
        &mut self,
        assembly: &Assembly,
        made: &Assembled,
        names: &[Reference],
        annotations: &BTreeMap<String, String>,
    ) -> Result<()> {
        for layer in assembly.parts.iter().flat_map(|part| &part.layers) {
            let bytes = layer.blob.clone().map_or(Bytes::Store, Bytes::File);
            self.blobs.insert(layer.descriptor.digest.clone(), (layer.descriptor.size, bytes));
        }
        for (digest, bytes) in &made.documents {
            self.blobs.insert(digest.clone(), (bytes.len() as u64, Bytes::Memory(bytes.clone())));
        }
        let mut entry = made.top.clone();
        entry.annotations.extend(annotations.clone());
        let own = &made.documents[&made.manifests[made.own()].digest];
        let manifest: Manifest = serde_json::from_slice(own)
            .map_err(|source| Error::Json { path: "the image's manifest".into(), source })?;
        for name in names.iter().map(Some).chain(names.is_empty().then_some(None)) {
            self.list(&entry, name);
            self.list_for_docker(&manifest, name);
        }
        Ok(())
    }

    fn list(&mut self, entry: &Descriptor, name: Option<&Reference>) {
        let mut entry = entry.clone();
        if let Some(name) = name {
            let tag = name.tag().map_or_else(|| name.canonical(), str::to_owned);
            entry.annotations.insert(CONTAINERD_NAME.into(), name.canonical());
            entry.annotations.insert(REF_NAME.into(), tag);
        }
        if !self.index.manifests.contains(&entry) {
            self.index.manifests.push(entry);
        }
    }

    fn list_for_docker(&mut self, manifest: &Manifest, name: Option<&Reference>) {
        let path = |digest: &Digest| format!("blobs/sha256/{}", digest.hex());
        let config = path(&manifest.config.digest);
        let at = self.docker.iter().position(|entry| entry.config == config).unwrap_or_else(|| {
            let layers = manifest.layers.iter().map(|layer| path(&layer.digest)).collect();
            self.docker.push(DockerEntry { config, repo_tags: vec![], layers });
            self.docker.len() - 1
        });
        let tags = &mut self.docker[at].repo_tags;
        // `manifest.json` cannot have names with a digest.
        let tag = name.filter(|name| name.digest().is_none()).map(|name| name.familiar());
        tags.extend(tag.filter(|tag| !tags.contains(tag)));
    }
}

impl Bytes {
    /// Opens a blob of this size.
    pub(super) fn open<'a>(
        &'a self,
        images: &Images,
        digest: &Digest,
        size: u64,
    ) -> Result<Box<dyn std::io::Read + 'a>> {
        let file = match self {
            Self::Memory(bytes) => return Ok(Box::new(bytes.as_slice())),
            Self::Store => images.open_blob(digest)?,
            Self::File(path) => {
                hull_storage::file::open(path).context(|| format!("open {}", path.display()))?
            }
        };
        match file.metadata().context(|| format!("look at {digest}"))?.len() == size {
            true => Ok(Box::new(std::io::Read::take(file, size))),
            false => Err(damaged(digest)),
        }
    }
}

pub(super) fn damaged(digest: &Digest) -> Error {
    Error::Damaged(format!("the blob {digest} of this store is not what it was"))
}
