//! `index.json` of an OCI layout: image-spec, `image-layout.md`. From an index for several platforms, the image for one
//! is taken.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::contents::{Contents, DOCUMENT_LIMIT, parse};
use crate::config::{CONTAINERD_NAME, Descriptor, Index, Manifest, REF_NAME};
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::publish::{Measured, NewImage};
use crate::reference::Reference;

/// How deep indexes may be nested. Real ones are nested once at most.
const DEPTH: usize = 4;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layout {
    image_layout_version: String,
}

pub(super) fn images(contents: &mut Contents<'_>, wanted: &Platform) -> Result<Vec<NewImage>> {
    let layout: Layout = parse(&contents.file("oci-layout", DOCUMENT_LIMIT)?, "oci-layout")?;
    if !layout.image_layout_version.starts_with("1.") {
        let what = "OCI layout".into();
        return Err(Error::Invalid {
            what,
            why: format!("its version is {:?}", layout.image_layout_version),
        });
    }
    let index: Index = parse(&contents.file("index.json", DOCUMENT_LIMIT)?, "index.json")?;
    let mut images: Vec<NewImage> = Vec::new();
    for (name, entries) in by_name(&index) {
        for entry in chosen(&entries, wanted)? {
            let manifest = find_manifest(contents, entry, wanted, DEPTH)?;
            let known = images.iter_mut().find(|image| image.manifest.digest == manifest.digest);
            match known {
                Some(known) => known.names.extend(name.clone()),
                None => images.push(image(contents, &manifest, name.clone().into_iter().collect())?),
            }
        }
    }
    Ok(images)
}

/// Entries that share a name are one image for several platforms.
fn by_name(index: &Index) -> Vec<(Option<Reference>, Vec<&Descriptor>)> {
    let mut groups: BTreeMap<Option<String>, (Option<Reference>, Vec<&Descriptor>)> = BTreeMap::new();
    for entry in index.manifests.iter().filter(|entry| is_image(entry)) {
        let name = [CONTAINERD_NAME, REF_NAME].iter().find_map(|key| entry.annotations.get(*key));
        // An image whose name is invalid is loaded without a name.
        let name = name.and_then(|name| Reference::parse(name).ok());
        let group = groups.entry(name.as_ref().map(Reference::canonical)).or_insert((name, vec![]));
        group.1.push(entry);
    }
    groups.into_values().collect()
}

/// Whether an entry is an image. Signatures and attestations are entries beside the image that they describe.
fn is_image(entry: &Descriptor) -> bool {
    let is_about_another = entry.annotations.contains_key("vnd.docker.reference.type");
    !is_about_another && (entry.is_manifest() || entry.is_index())
}

fn chosen<'a>(entries: &[&'a Descriptor], wanted: &Platform) -> Result<Vec<&'a Descriptor>> {
    // A single image is taken whatever its platform is. Several entries without platforms are several images.
    if entries.len() < 2 || entries.iter().any(|entry| entry.platform.is_none()) {
        return Ok(entries.to_vec());
    }
    let offered =
        || entries.iter().filter_map(|entry| entry.platform.as_ref()).map(Platform::to_string).collect();
    match Descriptor::choose(wanted, entries) {
        Some(entry) => Ok(vec![entry]),
        None => Err(Error::OtherPlatform { offered: offered(), host: wanted.to_string() }),
    }
}

/// Follows indexes to the manifest for the platform.
fn find_manifest(
    contents: &mut Contents<'_>,
    entry: &Descriptor,
    wanted: &Platform,
    depth: usize,
) -> Result<Descriptor> {
    if !entry.is_index() {
        return Ok(entry.clone());
    }
    if depth == 0 {
        return Err(Error::Refused {
            member: entry.digest.to_string(),
            why: "its indexes are nested too deep".into(),
        });
    }
    let index: Index = parse(&contents.blob(entry, DOCUMENT_LIMIT)?, &entry.digest.to_string())?;
    let entries: Vec<&Descriptor> = index.manifests.iter().filter(|entry| is_image(entry)).collect();
    match chosen(&entries, wanted)?.as_slice() {
        [entry] => find_manifest(contents, entry, wanted, depth - 1),
        [] => Err(Error::NotAnImage(format!("the index {} lists none", entry.digest))),
        _ => {
            Err(Error::NotAnImage(format!("the index {} does not say what its images run on", entry.digest)))
        }
    }
}

fn image(contents: &mut Contents<'_>, entry: &Descriptor, names: Vec<Reference>) -> Result<NewImage> {
    let staged = contents.blob(entry, DOCUMENT_LIMIT)?;
    let manifest: Manifest = parse(&staged, &entry.digest.to_string())?;
    if !manifest.config.is_config() {
        return Err(Error::NotAnImage(format!("its configuration is a {:?}", manifest.config.media_type)));
    }
    if let Some(layer) = manifest.layers.iter().find(|layer| !layer.is_layer()) {
        return Err(Error::NotAnImage(format!("one of its layers is a {:?}", layer.media_type)));
    }
    let config = contents.blob(&manifest.config, DOCUMENT_LIMIT)?;
    let parsed = parse(&config, &manifest.config.digest.to_string())?;
    let layers = manifest.layers.iter().map(|layer| contents.blob(layer, u64::MAX)).collect::<Result<_>>()?;
    Ok(NewImage {
        manifest: staged,
        media_type: entry.media_type.clone(),
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
