//! Compresses layers before they are pushed. Imported and committed layers are plain tars; gzip is what all registries
//! and engines accept.

use std::fs::File;

use crate::catalog::Line;
use crate::config::{Descriptor, Index, LAYER, Manifest};
use crate::digest::Hasher;
use crate::error::{Error, IoContext, Result};
use crate::publish::{Measured, NewImage, to_json};
use crate::reference::Reference;
use crate::staging::{Staged, Staging};
use crate::store::Images;

/// Compresses the plain layers of an image, or of all images of the index that its name stands for, and replaces the
/// image in the store.
pub(super) fn compressed(images: &Images, entry: Descriptor) -> Result<Descriptor> {
    let index: Option<Index> = entry.index_digest().map(|digest| images.read_json(&digest)).transpose()?;
    let manifests = index.as_ref().map_or_else(|| vec![entry.clone()], |index| index.manifests.clone());
    let staging = Staging::new(&images.layers())?;
    let (mut layers, mut changed, mut any) = (Vec::new(), Vec::new(), false);
    for mut descriptor in manifests {
        let manifest: Manifest = images.read_json(&descriptor.digest)?;
        let own = descriptor.digest == entry.digest;
        if !manifest.layers.iter().any(is_plain) && !own {
            changed.push((own, descriptor, None));
            continue;
        }
        any |= manifest.layers.iter().any(is_plain);
        let staged =
            staging.add_bytes(&to_json(&packed_manifest(images, &staging, manifest, &mut layers)?)?)?;
        (descriptor.digest, descriptor.size) = (staged.digest.clone(), staged.size);
        changed.push((own, descriptor, Some(staged)));
    }
    match any {
        true => replace(images, &staging, &entry, index, changed, layers),
        false => Ok(entry),
    }
}

fn is_plain(layer: &Descriptor) -> bool {
    layer.media_type == LAYER
}

fn packed_manifest(
    images: &Images,
    staging: &Staging,
    mut manifest: Manifest,
    layers: &mut Vec<Staged>,
) -> Result<Manifest> {
    for layer in manifest.layers.iter_mut().filter(|layer| is_plain(layer)) {
        let staged = packed(images, staging, layer)?;
        *layer = Descriptor::new(&format!("{LAYER}+gzip"), staged.digest.clone(), staged.size);
        layers.push(staged);
    }
    Ok(manifest)
}

/// Publishes the image with the new manifests under all of its names.
fn replace(
    images: &Images,
    staging: &Staging,
    entry: &Descriptor,
    index: Option<Index>,
    changed: Vec<(bool, Descriptor, Option<Staged>)>,
    layers: Vec<Staged>,
) -> Result<Descriptor> {
    let (_, parsed) = images.documents(entry)?;
    let measured =
        Measured { layers: parsed.rootfs.diff_ids.len(), bytes: images.unpacked_size(entry, &parsed)? };
    let id = images.id_of(entry)?;
    let config = std::fs::read(images.blob_path(&id)).context(|| format!("read {id}"))?;
    let same = images.entries_of(&id)?.into_iter();
    let same =
        same.filter(|other| other.digest == entry.digest && other.index_digest() == entry.index_digest());
    let names = same.filter_map(|other| Reference::parse(other.name()?).ok()).collect();
    let (mut documents, mut own) = (Vec::new(), None);
    let mut descriptors = Vec::new();
    for (is_own, descriptor, staged) in changed {
        descriptors.push(descriptor);
        match staged {
            Some(staged) if is_own => own = Some(staged),
            staged => documents.extend(staged),
        }
    }
    let index = match index {
        None => None,
        Some(index) => {
            let index = staging.add_bytes(&to_json(&Index { manifests: descriptors, ..index })?)?;
            documents.push(index.clone());
            Some(index.digest)
        }
    };
    let gone = || Error::Damaged("the image went while it was compressed".into());
    let image = NewImage {
        manifest: own.ok_or_else(gone)?,
        media_type: entry.media_type.clone(),
        config: staging.add_bytes(&config)?,
        parsed,
        layers,
        names,
        index: index.clone(),
        documents,
        linked: vec![],
        origin: None,
        measured,
    };
    let digest = image.manifest.digest.to_string();
    images.publish(staging, &[image])?;
    images.change_catalog(|catalog| {
        let old_index = entry.index_digest().map(|index| index.to_string());
        let replaced =
            |line: &Line| line.digest() == entry.digest.to_string() && line.index() == old_index.as_deref();
        catalog.retain(|line| !replaced(line));
        Ok(())
    })?;
    images.collect()?;
    let index = index.map(|index| index.to_string());
    let catalog = images.catalog()?;
    let found = catalog.lines().find(|line| line.digest() == digest && line.index() == index.as_deref());
    found.ok_or_else(gone)?.entry()
}

fn packed(images: &Images, staging: &Staging, layer: &Descriptor) -> Result<Staged> {
    let path = images.blob_path(&layer.digest);
    let mut plain = Hasher::new(File::open(&path).context(|| format!("open {}", path.display()))?);
    let staged = staging.add(|file| crate::gzip::pack(&mut plain, file, None))?;
    match plain.finish() == layer.digest {
        true => Ok(staged),
        false => Err(Error::Damaged(format!("the blob {} of this store is not what it was", layer.digest))),
    }
}
