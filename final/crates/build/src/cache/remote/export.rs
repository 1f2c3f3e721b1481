//! Writes the steps of a finished build where other builds find them.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hull_engine::Engine;
use hull_image::Digest;
use hull_image::artifact::{Content, Repository};
use hull_image::assemble::{Assembly, Layer, Part};
use hull_image::config::{
    DOCKER_INDEX, Descriptor, INDEX, ImageConfig, Index, LAYER, MANIFEST, Manifest, REF_NAME, RootFs,
};
use hull_image::registry::{Access, AccessOptions};

use super::config::{
    CacheConfig, CacheInput, CacheLayer, CacheRecord, CacheResult, LayerAnnotations, MEDIA_TYPE, described,
};
use super::location::{Exports, Source, Target};
use crate::built::{Built, BuiltLayer, StageLayers, StepOfLayer};
use crate::error::{Error, IoContext, Result};

/// Writes all exports. This uses threads. An export that may fail is only reported.
pub fn export(
    engine: &Engine,
    exports: &Exports,
    built: &[Built],
    registry: &AccessOptions,
    note: &mut dyn FnMut(&str),
) -> Result<()> {
    for target in &exports.targets {
        note(&format!("exporting cache to {}", target.place));
        match export_to(engine, target, built, registry, note) {
            Err(error) if target.ignore_error => {
                note(&format!("the cache is not exported to {}: {error}", target.place));
            }
            exported => exported?,
        }
    }
    Ok(())
}

fn export_to(
    engine: &Engine,
    target: &Target,
    built: &[Built],
    registry: &AccessOptions,
    note: &mut dyn FnMut(&str),
) -> Result<()> {
    let stages = stages(built, target.max);
    let assembly = Assembly { parts: stages.iter().map(part).collect(), ..Assembly::default() };
    note("preparing build cache for export");
    let compressed = engine.images().recompress(&assembly, target.compression)?;
    let steps = stages.iter().map(|stage| stage.layers.iter().map(|layer| layer.step.as_ref()).collect());
    let steps: Vec<Vec<Option<&StepOfLayer>>> = steps.collect();
    let exported = Exported::new(&compressed.assembly.parts, &steps);
    let documents = exported.documents(target)?;
    let blobs: Vec<(&Descriptor, PathBuf)> = exported.blobs(engine);
    note("writing layers");
    match &target.place {
        Source::Registry(reference) => {
            let access = Access::new(registry.clone())?;
            let repository = Repository::open(&access, reference)?;
            for (descriptor, path) in &blobs {
                repository.send(descriptor, Content::File(path))?;
            }
            repository.send(&documents.config, Content::Memory(&documents.config_bytes))?;
            note("writing cache image manifest");
            repository.put(&documents.top.media_type, &documents.top_bytes)?;
        }
        Source::Local { path, tag, .. } => write_directory(path, tag, &blobs, &documents)?,
    }
    Ok(())
}

/// The stages whose steps are exported: those of the result, or all.
fn stages(built: &[Built], max: bool) -> Vec<StageLayers> {
    let own = |one: &Built| StageLayers {
        diff_ids: one.config.rootfs.diff_ids.clone(),
        layers: one.layers.clone(),
    };
    let mut stages: Vec<StageLayers> = built.iter().map(own).collect();
    if max {
        stages.extend(built.iter().flat_map(|one| one.others.iter().cloned()));
    }
    stages
}

fn part(stage: &StageLayers) -> Part {
    let layer = |one: &BuiltLayer| Layer { descriptor: one.descriptor.clone(), blob: one.step_blob.clone() };
    let rootfs = RootFs { kind: "layers".into(), diff_ids: stage.diff_ids.clone() };
    Part {
        config: ImageConfig { rootfs, ..ImageConfig::default() },
        layers: stage.layers.iter().map(layer).collect(),
        annotations: BTreeMap::new(),
        descriptor_annotations: BTreeMap::new(),
    }
}

/// The steps and layers of all stages, each once.
#[derive(Default)]
struct Exported {
    config: CacheConfig,
    layers: Vec<(Descriptor, Option<PathBuf>)>,
}

/// The documents of a cache.
struct Documents {
    config: Descriptor,
    config_bytes: Vec<u8>,
    top: Descriptor,
    top_bytes: Vec<u8>,
}

impl Exported {
    fn new(parts: &[Part], steps: &[Vec<Option<&StepOfLayer>>]) -> Self {
        let mut exported = Self::default();
        for (part, steps) in parts.iter().zip(steps) {
            let (mut below, mut record) = (-1, None);
            for ((layer, diff_id), step) in part.layers.iter().zip(&part.config.rootfs.diff_ids).zip(steps) {
                let created = step.map(|step| step.created.as_str());
                let at = exported.add_layer(layer, diff_id, below, created);
                if let Some(step) = step {
                    record = Some(exported.add_record(step, at, record));
                }
                below = at as i64;
            }
        }
        exported
    }

    fn add_layer(&mut self, layer: &Layer, diff_id: &Digest, parent: i64, created: Option<&str>) -> usize {
        let Descriptor { media_type, digest, size, .. } = &layer.descriptor;
        let is_it = |one: &CacheLayer| one.blob == *digest && one.parent == parent;
        if let Some(at) = self.config.layers.iter().position(is_it) {
            return at;
        }
        let annotations = LayerAnnotations {
            media_type: media_type.clone(),
            diff_id: Some(diff_id.clone()),
            size: *size,
            created_at: created.map(str::to_owned),
        };
        self.config.layers.push(CacheLayer { blob: digest.clone(), parent, annotations: Some(annotations) });
        if self.layers.iter().all(|(known, _)| known.digest != *digest) {
            self.layers.push((described(&layer.descriptor, diff_id, created), layer.blob.clone()));
        }
        self.config.layers.len() - 1
    }

    /// Adds a step, whose input is the step before it.
    fn add_record(&mut self, step: &StepOfLayer, layer: usize, before: Option<usize>) -> usize {
        let result = CacheResult { layer, created_at: Some(step.created.clone()) };
        let records = &mut self.config.records;
        if let Some(at) = records.iter().position(|record| record.digest.as_ref() == Some(&step.key)) {
            if records[at].results.iter().all(|known| known.layer != layer) {
                records[at].results.push(result);
            }
            return at;
        }
        let inputs = before.map(|link| vec![CacheInput { link }]).into_iter().collect();
        records.push(CacheRecord { results: vec![result], digest: Some(step.key.clone()), inputs });
        records.len() - 1
    }

    fn blobs(&self, engine: &Engine) -> Vec<(&Descriptor, PathBuf)> {
        let path = |(descriptor, path): &(Descriptor, Option<PathBuf>)| {
            path.clone().unwrap_or_else(|| engine.images().blob_path(&descriptor.digest))
        };
        self.layers.iter().map(|layer| (&layer.0, path(layer))).collect()
    }

    /// The list of steps, and the manifest or index that names it and the blobs.
    fn documents(&self, target: &Target) -> Result<Documents> {
        let config_bytes = to_json(&self.config)?;
        let config = Descriptor::new(MEDIA_TYPE, Digest::of(&config_bytes), config_bytes.len() as u64);
        let layers: Vec<Descriptor> = self.layers.iter().map(|(layer, _)| typed(layer, target)).collect();
        let (media_type, top_bytes) = if target.image_manifest {
            let manifest = Manifest {
                schema_version: 2,
                media_type: MANIFEST.into(),
                config: config.clone(),
                layers,
                annotations: BTreeMap::new(),
            };
            (MANIFEST, to_json(&manifest)?)
        } else {
            let media_type = if target.oci_types { INDEX } else { DOCKER_INDEX };
            let manifests = layers.into_iter().chain([config.clone()]).collect();
            let index = Index { media_type: media_type.into(), manifests, ..Index::default() };
            (media_type, to_json(&index)?)
        };
        let top = Descriptor::new(media_type, Digest::of(&top_bytes), top_bytes.len() as u64);
        Ok(Documents { config, config_bytes, top, top_bytes })
    }
}

/// A layer with docker's media type, if that was asked for.
fn typed(layer: &Descriptor, target: &Target) -> Descriptor {
    let mut layer = layer.clone();
    if let Some(suffix) = layer.media_type.strip_prefix(LAYER).filter(|_| !target.oci_types) {
        let suffix = suffix.replace('+', ".");
        layer.media_type = format!("application/vnd.docker.image.rootfs.diff.tar{suffix}");
    }
    layer
}

/// Writes an OCI layout. What else the directory has stays, except the entry of the same tag.
fn write_directory(
    directory: &Path,
    tag: &str,
    blobs: &[(&Descriptor, PathBuf)],
    documents: &Documents,
) -> Result<()> {
    let place = directory.join("blobs/sha256");
    std::fs::create_dir_all(&place).context(|| format!("create {}", place.display()))?;
    for (descriptor, from) in blobs {
        copy_blob(from, &place.join(descriptor.digest.hex()), descriptor.size)?;
    }
    for (descriptor, bytes) in
        [(&documents.config, &documents.config_bytes), (&documents.top, &documents.top_bytes)]
    {
        hull_storage::file::write_atomic(&place.join(descriptor.digest.hex()), bytes, 0o644)?;
    }
    let path = directory.join("index.json");
    let mut index: Index = hull_storage::file::read_json(&path)?.unwrap_or_default();
    index.manifests.retain(|entry| entry.name() != Some(tag));
    let mut entry = documents.top.clone();
    entry.annotations.insert(REF_NAME.into(), tag.into());
    index.manifests.push(entry);
    let layout = br#"{"imageLayoutVersion":"1.0.0"}"#;
    hull_storage::file::write_atomic(&directory.join("oci-layout"), layout, 0o644)?;
    Ok(hull_storage::file::write_atomic(&path, &to_json(&index)?, 0o644)?)
}

fn copy_blob(from: &Path, to: &Path, size: u64) -> Result<()> {
    if std::fs::symlink_metadata(to).is_ok_and(|found| found.is_file() && found.len() == size) {
        return Ok(());
    }
    let partial = to.with_extension(format!("{}.partial", std::process::id()));
    let context = || format!("write {}", to.display());
    let copied = File::open(from).and_then(|mut from| {
        let mut to = File::options().write(true).create_new(true).open(&partial)?;
        std::io::copy(&mut from, &mut to)
    });
    let copied = copied.and_then(|_| std::fs::rename(&partial, to)).context(context);
    copied.inspect_err(|_| drop(std::fs::remove_file(&partial)))
}

/// What [`hull_image::config::ImageConfig::inline_cache`] gets: the steps whose layers the image has, by the numbers of
/// these layers.
pub fn inline_records(built: &Built) -> Option<String> {
    let mut exported = Exported::default();
    let mut record = None;
    for (at, layer) in built.layers.iter().enumerate() {
        if let Some(step) = &layer.step {
            record = Some(exported.add_record(step, at, record));
        }
    }
    let records = serde_json::to_vec(&exported.config.records).ok()?;
    (!exported.config.records.is_empty()).then(|| STANDARD.encode(records))
}

pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text.trim()).ok()
}

fn to_json<T: serde::Serialize>(value: &T) -> Result<Vec<u8>> {
    let invalid = |error: serde_json::Error| Error::Invalid { what: "cache".into(), why: error.to_string() };
    serde_json::to_vec(value).map_err(invalid)
}
