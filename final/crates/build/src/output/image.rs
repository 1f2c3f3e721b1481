//! An image in the store.

use hull_image::assemble::{Assembled, Assembly, Layer, Part};
use hull_image::reference::Reference;
use hull_image::store::Images;

use super::annotations::Place;
use super::{Annotations, Built, BuiltLayer};
use crate::Result;

/// Makes an image of what was built, and gives it these names, which another image may lose. Without a name the image
/// is found by its id. Of several platforms an index is made, which the names stand for.
///
/// # Errors
///
/// [`crate::Error::Unsupported`] for annotations of an index if there is one platform; what the store says if it lacks a layer.
pub fn image(
    images: &Images,
    built: &[Built],
    tags: &[Reference],
    annotations: &Annotations,
) -> Result<Assembled> {
    Ok(images.assemble(&assembly(built, annotations)?, tags)?)
}

/// The parts of an image, with their annotations.
pub(super) fn assembly(built: &[Built], annotations: &Annotations) -> Result<Assembly> {
    annotations.check(built.len() > 1)?;
    let layer = |one: &BuiltLayer| Layer { descriptor: one.descriptor.clone(), blob: one.step_blob.clone() };
    let part = |one: &Built| Part {
        config: one.config.clone(),
        layers: one.layers.iter().map(layer).collect(),
        annotations: annotations.of(Place::Manifest, Some(&one.platform)),
        descriptor_annotations: annotations.of(Place::ManifestDescriptor, Some(&one.platform)),
    };
    Ok(Assembly {
        parts: built.iter().map(part).collect(),
        index_annotations: annotations.of(Place::Index, None),
        ..Assembly::default()
    })
}
