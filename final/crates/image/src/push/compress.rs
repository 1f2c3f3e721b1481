//! Compresses layers before they are pushed. Imported and committed layers are plain tars; gzip is what all registries
//! and engines accept.

use std::fs::File;

use crate::config::{Descriptor, LAYER, Manifest};
use crate::digest::Hasher;
use crate::error::{IoContext, Result};
use crate::publish::{Measured, NewImage};
use crate::reference::Reference;
use crate::staging::{Staged, Staging};
use crate::store::Images;

/// Compresses the plain layers of an image, and replaces the image in the store.
pub(super) fn compressed(images: &Images, entry: Descriptor) -> Result<Descriptor> {
    let manifest: Manifest = images.read_json(&entry.digest)?;
    let is_plain = |layer: &Descriptor| layer.media_type == LAYER;
    if !manifest.layers.iter().any(is_plain) {
        return Ok(entry);
    }
    let staging = Staging::new(&images.layers())?;
    let mut changed = Manifest { config: manifest.config.clone(), ..manifest };
    let mut layers = Vec::new();
    for layer in changed.layers.iter_mut().filter(|layer| is_plain(layer)) {
        let staged = packed(images, &staging, layer)?;
        *layer = Descriptor::new(&format!("{LAYER}+gzip"), staged.digest.clone(), staged.size);
        layers.push(staged);
    }
    let (_, parsed) = images.documents(&entry)?;
    let measured =
        Measured { layers: parsed.rootfs.diff_ids.len(), bytes: images.unpacked_size(&entry, &parsed)? };
    let config = std::fs::read(images.blob_path(&changed.config.digest));
    let config = config.context(|| format!("read {}", changed.config.digest))?;
    let same =
        images.entries_of(&changed.config.digest)?.into_iter().filter(|other| other.digest == entry.digest);
    let names = same.filter_map(|other| Reference::parse(other.name()?).ok()).collect();
    let image = NewImage {
        manifest: staging.add_bytes(&crate::publish::to_json(&changed)?)?,
        media_type: entry.media_type.clone(),
        config: staging.add_bytes(&config)?,
        parsed,
        layers,
        names,
        index: None,
        documents: vec![],
        linked: vec![],
        origin: None,
        measured,
    };
    let digest = image.manifest.digest.clone();
    images.publish(&staging, &[image])?;
    images.change_catalog(|catalog| {
        catalog.retain(|line| line.digest() != entry.digest.to_string());
        Ok(())
    })?;
    images.collect()?;
    let catalog = images.catalog()?;
    let found = catalog.lines().find(|line| line.digest() == digest.to_string());
    found
        .ok_or_else(|| crate::error::Error::Damaged("the image went while it was compressed".into()))?
        .entry()
}

fn packed(images: &Images, staging: &Staging, layer: &Descriptor) -> Result<Staged> {
    let path = images.blob_path(&layer.digest);
    let mut plain = Hasher::new(File::open(&path).context(|| format!("open {}", path.display()))?);
    let staged = staging.add(|file| crate::gzip::pack(&mut plain, file))?;
    match plain.finish() == layer.digest {
        true => Ok(staged),
        false => Err(crate::error::Error::Damaged(format!(
            "the blob {} of this store is not what it was",
            layer.digest
        ))),
    }
}
