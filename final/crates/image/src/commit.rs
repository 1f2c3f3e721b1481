//! `commit`: adds a layer to an image.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Value, json};

use crate::archive::now;
use crate::config::{Descriptor, History, ImageConfig, LAYER, MANIFEST, RunConfig};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::layer::{Packed, Source};
use crate::publish::{Measured, NewImage, to_json};
use crate::reference::Reference;
use crate::staging::Staging;
use crate::store::Images;

#[derive(Debug, Clone)]
pub struct NewLayer {
    /// The id of the image that the layer is added to.
    pub base: Digest,
    pub config: RunConfig,
    pub name: Option<Reference>,
    pub author: Option<String>,
    pub message: Option<String>,
    /// The command that made the changes.
    pub created_by: String,
    /// Annotations of the manifest, beside those of the base.
    pub annotations: BTreeMap<String, String>,
}

/// Stores the layer's tar that `pack` writes as a new layer on top of the base. Returns the new image's id.
pub fn commit<E: From<Error>>(
    images: &Images,
    layer: &NewLayer,
    pack: impl FnOnce(&mut dyn Write) -> Result<(), E>,
) -> Result<Digest, E> {
    let staging = Staging::new(&images.layers())?;
    let mut failure = None;
    let staged = staging.add(|file| {
        pack(file).map_err(|error| {
            failure = Some(error);
            Error::Cancelled
        })
    });
    if let Some(failure) = failure {
        return Err(failure);
    }
    let staged = staged?;
    let base = images.entries_of(&layer.base)?.into_iter().next();
    let base = base.ok_or_else(|| Error::NoSuchImage { name: layer.base.to_string(), nearest: None })?;
    let (mut manifest, below) = images.documents(&base)?;
    let config = configured(images, &layer.base, layer, &staged.digest)?;
    let stored = staging.add_bytes(&to_json(&config)?)?;
    let parsed = ImageConfig {
        rootfs: crate::config::RootFs {
            diff_ids: [below.rootfs.diff_ids.as_slice(), std::slice::from_ref(&staged.digest)].concat(),
            ..below.rootfs.clone()
        },
        ..below.clone()
    };
    let blobs: Vec<_> = manifest.layers.iter().map(|layer| images.blob_path(&layer.digest)).collect();
    let sources = blobs.iter().map(|path| path.as_path()).chain([staged.path.as_path()]);
    let packed = sources.zip(&parsed.rootfs.diff_ids).map(|(path, diff_id)| Packed {
        source: Source::Blob(path),
        diff_id: diff_id.clone(),
        note_missing_end: false,
    });
    images.unpack(&[packed.collect()])?;
    let measured =
        Measured { layers: below.rootfs.diff_ids.len(), bytes: images.unpacked_size(&base, &below)? };
    for layer in &mut manifest.layers {
        layer.media_type = crate::config::oci_layer_type(&layer.media_type);
    }
    manifest.layers.push(Descriptor::new(LAYER, staged.digest.clone(), staged.size));
    manifest.config = Descriptor::new(crate::config::CONFIG, stored.digest.clone(), stored.size);
    manifest.media_type = MANIFEST.into();
    for of_the_base in [crate::lxd::FINGERPRINT, crate::lxd::SOURCE] {
        manifest.annotations.remove(of_the_base);
    }
    manifest.annotations.extend(layer.annotations.clone());
    let id = stored.digest.clone();
    let image = NewImage {
        manifest: staging.add_bytes(&to_json(&manifest)?)?,
        media_type: MANIFEST.into(),
        config: stored,
        parsed,
        layers: vec![staged],
        names: layer.name.clone().into_iter().collect(),
        index: None,
        documents: vec![],
        linked: vec![],
        origin: None,
        measured,
    };
    images.publish(&staging, &[image])?;
    Ok(id)
}

/// The base's configuration with the changes applied. Fields that hull does not know are kept.
fn configured(images: &Images, base: &Digest, layer: &NewLayer, diff_id: &Digest) -> Result<Value> {
    let mut config: Value = images.read_json(base)?;
    let json_error = |source| Error::Json { path: "the image's description".into(), source };
    let wanted = serde_json::to_value(&layer.config).map_err(json_error)?;
    // serde reads a structure from a JSON list too, but named fields cannot be added to a list.
    let whole =
        config.as_object_mut().ok_or_else(|| Error::NotAnImage("its description is a list".into()))?;
    for name in ["config", "rootfs"] {
        let part = whole.entry(name).or_insert(Value::Null);
        if part.is_null() {
            *part = json!({});
        }
        if !part.is_object() {
            return Err(Error::NotAnImage(format!("its {name:?} is a list")));
        }
    }
    let run = &mut config["config"];
    // These are replaced as a whole: the container was started without those that `wanted` lacks.
    for key in ["User", "Env", "Entrypoint", "Cmd", "WorkingDir", "Labels"] {
        run.as_object_mut().map(|run| run.remove(key));
    }
    for (key, value) in wanted.as_object().into_iter().flatten() {
        run[key] = value.clone();
    }
    let created = now();
    config["created"] = created.clone().into();
    if let Some(author) = &layer.author {
        config["author"] = author.as_str().into();
    }
    let history = History {
        created: Some(created),
        created_by: Some(layer.created_by.clone()),
        comment: layer.message.clone(),
        empty_layer: false,
    };
    push(&mut config["history"], serde_json::to_value(history).map_err(json_error)?);
    push(&mut config["rootfs"]["diff_ids"], json!(diff_id));
    Ok(config)
}

fn push(list: &mut Value, value: Value) {
    match list.as_array_mut() {
        Some(list) => list.push(value),
        None => *list = vec![value].into(),
    }
}
