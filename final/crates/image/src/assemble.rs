//! Images of layers that the store has already: what a builder makes.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use crate::config::{self, Descriptor, ImageConfig, Index, Manifest};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::publish::{Measured, NewImage, to_json};
use crate::reference::Reference;
use crate::staging::{Staged, Staging};
use crate::store::{Images, chain_ids};

/// A layer whose blob is there.
#[derive(Debug, Clone)]
pub struct Layer {
    pub descriptor: Descriptor,
    /// Where the blob is: `None` for the store's `blobs/`. A blob elsewhere, on the same file system, gets a link there.
    pub blob: Option<PathBuf>,
}

/// An image for one platform.
#[derive(Debug, Clone)]
pub struct Part {
    pub config: ImageConfig,
    /// Lowest first.
    pub layers: Vec<Layer>,
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
    /// Annotations of the manifest's descriptor in the index.
    pub descriptor_annotations: BTreeMap<String, String>,
}

/// How the parts are put together.
#[derive(Debug, Clone, Default)]
pub struct Assembly {
    pub parts: Vec<Part>,
    /// Annotations of the index.
    pub index_annotations: BTreeMap<String, String>,
    /// Whether a single part gets an index, too. Several always do.
    pub index: bool,
    /// docker's media types in the documents and layers, and not OCI's. They have no annotations.
    pub docker_types: bool,
}

/// The documents of an image, in the order in which they refer to each other.
#[derive(Debug, Clone)]
pub struct Assembled {
    /// The index, or the only manifest.
    pub top: Descriptor,
    /// One for each part, with its platform and annotations.
    pub manifests: Vec<Descriptor>,
    /// One for each part: the configuration, whose digest is the image's id.
    pub configs: Vec<Descriptor>,
    /// The documents' bytes by their digests.
    pub documents: BTreeMap<Digest, Vec<u8>>,
}

impl Assembled {
    /// The part that this machine runs, or else the first.
    pub fn own(&self) -> usize {
        let all: Vec<&Descriptor> = self.manifests.iter().collect();
        let own = Descriptor::choose(&Platform::host(), &all);
        own.and_then(|own| self.manifests.iter().position(|one| one == own)).unwrap_or(0)
    }

    /// The image's id: that of the part that this machine runs.
    pub fn id(&self) -> &Digest {
        &self.configs[self.own()].digest
    }

    fn add(&mut self, media_type: &str, document: Vec<u8>) -> Descriptor {
        let digest = Digest::of(&document);
        let descriptor = Descriptor::new(media_type, digest.clone(), document.len() as u64);
        self.documents.insert(digest, document);
        descriptor
    }
}

impl Assembly {
    /// Writes the documents. The same parts give the same bytes.
    ///
    /// # Errors
    ///
    /// If there is no part, or a part has not one diff ID for each layer.
    pub fn describe(&self) -> Result<Assembled> {
        let (config_type, manifest_type, index_type) = match self.docker_types {
            true => (config::DOCKER_CONFIG, config::DOCKER_MANIFEST, config::DOCKER_INDEX),
            false => (config::CONFIG, config::MANIFEST, config::INDEX),
        };
        let top = Descriptor::new("", Digest::of(b""), 0);
        let (manifests, configs, documents) = (vec![], vec![], BTreeMap::new());
        let mut made = Assembled { top, manifests, configs, documents };
        for part in &self.parts {
            if part.config.rootfs.diff_ids.len() != part.layers.len() {
                let why = "it has not one diff ID for each layer";
                return Err(Error::NotAnImage(why.into()));
            }
            let config = made.add(config_type, to_json(&part.config)?);
            let manifest = Manifest {
                schema_version: 2,
                media_type: manifest_type.into(),
                config: config.clone(),
                layers: part.layers.iter().map(|layer| self.layer(&layer.descriptor)).collect(),
                annotations: part.annotations.clone(),
            };
            let mut manifest = made.add(manifest_type, to_json(&manifest)?);
            manifest.platform = Some(part.config.platform());
            manifest.annotations = part.descriptor_annotations.clone();
            made.manifests.push(manifest);
            made.configs.push(config);
        }
        made.top = match made.manifests.as_slice() {
            [] => return Err(Error::NotAnImage("it has no platform".into())),
            [only] if !self.index => only.clone(),
            all => {
                let index = Index {
                    media_type: index_type.into(),
                    manifests: all.to_vec(),
                    annotations: self.index_annotations.clone(),
                    ..Index::default()
                };
                let index = to_json(&index)?;
                made.add(index_type, index)
            }
        };
        Ok(made)
    }

    /// A manifest has layers of one specification's media types. Other programs' annotations of a layer stay.
    fn layer(&self, layer: &Descriptor) -> Descriptor {
        let mut layer = Descriptor { platform: None, ..layer.clone() };
        let known = [("+gzip", "tar.gzip"), ("+zstd", "tar.zstd"), ("", "tar")];
        match self.docker_types {
            false => layer.media_type = config::oci_layer_type(&layer.media_type),
            true if layer.media_type.starts_with(config::LAYER) => {
                let suffix = &layer.media_type[config::LAYER.len()..];
                let kind = known.iter().find(|(oci, _)| *oci == suffix).map_or("tar", |(_, docker)| docker);
                layer.media_type = format!("application/vnd.docker.image.rootfs.diff.{kind}");
            }
            true => {}
        }
        layer
    }
}

impl Images {
    /// Makes an image of layers that the store has, and makes it visible under these names, or without one. A name that
    /// another image has moves to this one.
    ///
    /// Of several platforms, containers use the one of this machine; the name stands for all of them when it is pushed.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if the store lacks a layer.
    pub fn assemble(&self, assembly: &Assembly, names: &[Reference]) -> Result<Assembled> {
        let made = assembly.describe()?;
        let own = made.own();
        let part = &assembly.parts[own];
        let layers = assembly.parts.iter().flat_map(|part| &part.layers);
        // Garbage collection does not remove what is held, and nothing else removes blobs.
        let mut held = layers.clone().map(|layer| self.hold(layer)).collect::<Result<Vec<File>>>()?;
        held.extend(self.hold_layers(&part.config)?);
        let linked = layers.filter_map(|layer| {
            let Descriptor { digest, size, .. } = layer.descriptor.clone();
            Some(Staged { path: layer.blob.clone()?, digest, size })
        });
        let linked = linked.collect();
        let staging = Staging::new(&self.layers())?;
        let (manifest, config) = (&made.manifests[own].digest, &made.configs[own].digest);
        let mut staged = BTreeMap::new();
        for (digest, bytes) in &made.documents {
            staged.insert(digest, staging.add_bytes(bytes)?);
        }
        let mut take = |digest: &Digest| -> Result<Staged> {
            staged.remove(digest).ok_or_else(|| Error::Damaged(format!("{digest} was not described")))
        };
        let image = NewImage {
            manifest: take(manifest)?,
            media_type: made.manifests[own].media_type.clone(),
            config: take(config)?,
            parsed: part.config.clone(),
            layers: vec![],
            names: names.to_vec(),
            index: made.top.is_index().then(|| made.top.digest.clone()),
            documents: staged.into_values().collect(),
            linked,
            origin: None,
            measured: Measured::default(),
        };
        self.publish(&staging, &[image])?;
        let chains = assembly.parts.iter().flat_map(|part| chain_ids(&part.config)).collect::<Vec<_>>();
        self.layers().note_synced(chains.iter().map(Digest::hex))?;
        drop(held);
        Ok(made)
    }

    /// Opens a layer's blob, so that it is not removed, and compares its size.
    fn hold(&self, layer: &Layer) -> Result<File> {
        let Descriptor { digest, size, .. } = &layer.descriptor;
        let blob = match &layer.blob {
            Some(path) => hull_storage::file::open(path).ok(),
            None => self.hold_blob(digest)?,
        };
        let whole = blob.filter(|blob| blob.metadata().is_ok_and(|blob| blob.len() == *size));
        whole.ok_or_else(|| Error::Damaged(format!("the blob {digest} of this store is not what it was")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::{ImportOptions, import};
    use crate::testing::{Store, Tar};

    fn part(store: &Store, architecture: &str) -> Part {
        let tar = Tar::default().file("x", architecture).end();
        let platform = Some(Platform::parse(architecture).unwrap());
        let options =
            ImportOptions { created: Some("2024-01-01T00:00:00Z".into()), platform, ..Default::default() };
        import(&store.images, tar.as_slice(), Some(&Reference::parse(architecture).unwrap()), options)
            .unwrap();
        let image = store.images.resolve(architecture).unwrap();
        let annotations = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        let layer = |descriptor| Layer { descriptor, blob: None };
        let (config, layers) = (image.config, image.manifest.layers.into_iter().map(layer).collect());
        Part { config, layers, annotations, descriptor_annotations: BTreeMap::new() }
    }

    #[test]
    fn layers_of_the_store_become_an_image() {
        let store = Store::new();
        let assembly = Assembly { parts: vec![part(&store, "amd64")], ..Assembly::default() };
        let names = ["one", "two:3"].map(|name| Reference::parse(name).unwrap());
        let made = store.images.assemble(&assembly, &names).unwrap();
        assert_eq!(store.images.assemble(&assembly, &[]).unwrap().top, made.top, "the same bytes");
        assert_eq!(store.images.resolve("two:3").unwrap().id, *made.id());
        assert_eq!(store.images.resolve("one").unwrap().manifest.annotations["a"], "b");
        assert_eq!(made.top.platform, Some(Platform::parse("amd64").unwrap()));
        store.images.collect().unwrap();
        assert_eq!(store.images.resolve("one").unwrap().id, *made.id());
    }

    #[test]
    fn a_name_may_stand_for_several_platforms() {
        let store = Store::new();
        let parts = vec![part(&store, "s390x"), part(&store, std::env::consts::ARCH)];
        let assembly = Assembly { parts, ..Assembly::default() };
        let made = store.images.assemble(&assembly, &[Reference::parse("both").unwrap()]).unwrap();
        assert!(made.top.is_index() && made.own() == 1);
        let image = store.images.resolve("both").unwrap();
        assert_eq!(image.config.platform(), Platform::host());
        store.images.remove(&["s390x".into(), std::env::consts::ARCH.into()], false, &|_| None).unwrap();
        for digest in made.documents.keys().chain([&assembly.parts[0].layers[0].descriptor.digest]) {
            assert!(store.images.blob_path(digest).exists(), "{digest}");
        }
        store.images.remove(&["both".into()], false, &|_| None).unwrap();
        assert_eq!(store.left(), [""; 0]);
    }

    #[test]
    fn what_the_store_lacks_is_no_image() {
        let store = Store::new();
        let mut part = part(&store, "amd64");
        part.layers[0].descriptor.digest = Digest::of(b"other");
        let lacking = Assembly { parts: vec![part], ..Assembly::default() };
        assert!(matches!(store.images.assemble(&lacking, &[]), Err(Error::Damaged(_))));
        assert!(matches!(store.images.assemble(&Assembly::default(), &[]), Err(Error::NotAnImage(_))));
    }
}
