//! Follows a tag through indexes to the image for the wanted platform.

use crate::config::{Descriptor, Index, Manifest};
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::registry::{Client, Fetched};

/// How deep indexes may be nested. Real ones are nested once at most.
const DEPTH: usize = 4;

pub(crate) struct Chosen {
    pub fetched: Fetched,
    pub manifest: Manifest,
}

/// With `lenient`, an image without a platform is accepted if it is the only one: the user asked for no platform.
pub(crate) fn choose(client: &Client<'_>, top: &Fetched, wanted: &Platform, lenient: bool) -> Result<Chosen> {
    let mut fetched = top.clone();
    for _ in 0..DEPTH {
        if !Descriptor::new(&fetched.media_type, fetched.digest.clone(), 0).is_index() {
            return manifest(client, fetched);
        }
        let index: Index = serde_json::from_slice(&fetched.bytes)
            .map_err(|error| client.wrong(format!("the index {} is invalid: {error}", fetched.digest)))?;
        let next = entry(client, &index, wanted, lenient)?;
        let bytes = client.manifest(&next.digest.to_string())?;
        if bytes.bytes.len() as u64 != next.size {
            return Err(client.wrong(format!(
                "the manifest {} has {} bytes, and its index says {}",
                next.digest,
                bytes.bytes.len(),
                next.size
            )));
        }
        fetched = bytes;
    }
    Err(client.wrong("its indexes are nested too deep"))
}

fn entry<'a>(
    client: &Client<'_>,
    index: &'a Index,
    wanted: &Platform,
    lenient: bool,
) -> Result<&'a Descriptor> {
    let is_image = |entry: &&Descriptor| {
        !entry.annotations.contains_key("vnd.docker.reference.type")
            && (entry.is_manifest() || entry.is_index())
    };
    let entries: Vec<&Descriptor> = index.manifests.iter().filter(is_image).collect();
    if let Some(entry) = Descriptor::choose(wanted, &entries) {
        return Ok(entry);
    }
    match entries.as_slice() {
        [] => Err(Error::NotAnImage(format!("the index at {} lists no image", client.registry()))),
        [only] if lenient && only.platform.is_none() => Ok(only),
        _ => {
            let offered = entries.iter().filter_map(|entry| entry.platform.as_ref()).map(Platform::to_string);
            let mut offered: Vec<String> = offered.collect();
            if offered.is_empty() {
                offered.push("platforms it does not name".into());
            }
            Err(Error::OtherPlatform { offered, host: wanted.to_string() })
        }
    }
}

fn manifest(client: &Client<'_>, fetched: Fetched) -> Result<Chosen> {
    let manifest: Manifest = serde_json::from_slice(&fetched.bytes)
        .map_err(|error| client.wrong(format!("the manifest {} is invalid: {error}", fetched.digest)))?;
    if !manifest.config.is_config() {
        let kind = crate::members::shown(std::path::Path::new(&manifest.config.media_type));
        return Err(Error::NotAnImage(format!("its configuration is a {kind}")));
    }
    if let Some(layer) = manifest.layers.iter().find(|layer| !layer.is_layer()) {
        let kind = crate::members::shown(std::path::Path::new(&layer.media_type));
        return Err(Error::NotAnImage(format!("one of its layers is a {kind}")));
    }
    Ok(Chosen { fetched, manifest })
}
