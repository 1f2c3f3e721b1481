//! Asks a registry about images without pulling them.

use crate::config::{Descriptor, ImageConfig, Index, Manifest};
use crate::digest::Digest;
use crate::error::Result;
use crate::inspect::run_config_of;
use crate::platform::Platform;
use crate::progress::Silent;
use crate::pull::choose;
use crate::reference::Reference;
use crate::registry::{Access, Client, Found};

/// The first of the repositories that exists, with all of its tags.
pub fn tags(access: &Access, candidates: &[Reference]) -> Result<(Reference, Vec<String>)> {
    access.first(candidates, &Silent, |client, repository| Ok((repository.clone(), client.tags()?)))
}

/// The repositories of `registry` whose name contains `term`.
pub fn search(access: &Access, registry: &str, term: &str, limit: usize) -> Result<Vec<Found>> {
    let mut endpoint = access.settings().host(registry)?;
    if registry == crate::registry::DOCKER {
        // Docker Hub answers searches at another host than its registry.
        endpoint.registry = "index.docker.io".into();
    }
    Client::new(access, endpoint).search(term, limit)
}

/// Deletes an image and all of its tags from the registry.
pub fn delete(access: &Access, reference: &Reference) -> Result<Digest> {
    let client = Client::new(access, access.settings().endpoint(reference)?);
    let digest = client.manifest(&reference.wanted())?.digest;
    client.delete_manifest(&digest)?;
    Ok(digest)
}

/// An image of a registry, without its layers.
#[derive(Debug, Clone)]
pub struct RemoteImage {
    pub reference: Reference,
    /// What the name stands for: the index where there is one, and otherwise the manifest.
    pub digest: Digest,
    pub manifest: Descriptor,
    /// The digest of the configuration.
    pub id: Digest,
    pub config: ImageConfig,
    /// The JSON text of the configuration's `config`.
    pub run_config: Option<String>,
    /// As they are in the registry, which is mostly compressed.
    pub layers: Vec<Descriptor>,
    /// The manifests of all platforms; empty where there is no index.
    pub platforms: Vec<Descriptor>,
    /// What refers to the image: signatures, bills of materials.
    pub referrers: Vec<Descriptor>,
}

/// The first image that there is.
pub fn inspect(
    access: &Access,
    candidates: &[Reference],
    platform: Option<&Platform>,
) -> Result<RemoteImage> {
    access.first(candidates, &Silent, |client, reference| describe(client, reference, platform))
}

/// What the first candidate that there is stands for, an index or a manifest, and the platforms of its images.
pub fn offered(access: &Access, candidates: &[Reference]) -> Result<(Descriptor, Vec<Platform>)> {
    access.first(candidates, &Silent, |client, reference| {
        let top = client.manifest(&reference.wanted())?;
        let size = top.bytes.len() as u64;
        let descriptor = Descriptor::new(&top.media_type, top.digest.clone(), size);
        if descriptor.is_index() {
            let index: Index = serde_json::from_slice(&top.bytes)
                .map_err(|error| client.wrong(format!("its index is invalid: {error}")))?;
            let platforms = index.manifests.into_iter().filter_map(|manifest| manifest.platform);
            return Ok((descriptor, platforms.collect()));
        }
        let manifest: Manifest = serde_json::from_slice(&top.bytes)
            .map_err(|error| client.wrong(format!("its manifest is invalid: {error}")))?;
        let config: ImageConfig = serde_json::from_slice(&client.document(&manifest.config)?)
            .map_err(|error| client.wrong(format!("its configuration is invalid: {error}")))?;
        Ok((descriptor, vec![config.platform()]))
    })
}

fn describe(client: &Client<'_>, reference: &Reference, platform: Option<&Platform>) -> Result<RemoteImage> {
    let top = client.manifest(&reference.wanted())?;
    let wanted = platform.cloned().unwrap_or_else(Platform::host);
    let chosen = choose::choose(client, &top, &wanted, platform.is_none())?;
    let document = client.document(&chosen.manifest.config)?;
    let damaged =
        |error| client.wrong(format!("the configuration of {} is invalid: {error}", reference.familiar()));
    let run_config = run_config_of(&document).map_err(damaged)?;
    let config: ImageConfig = serde_json::from_slice(&document).map_err(damaged)?;
    let index: Option<Index> = match top.digest == chosen.fetched.digest {
        true => None,
        false => serde_json::from_slice(&top.bytes).ok(),
    };
    let fetched = chosen.fetched;
    Ok(RemoteImage {
        reference: reference.clone(),
        manifest: Descriptor::new(&fetched.media_type, fetched.digest, fetched.bytes.len() as u64),
        id: chosen.manifest.config.digest,
        config,
        run_config,
        layers: chosen.manifest.layers,
        platforms: index.map(|index| index.manifests).unwrap_or_default(),
        // A registry that cannot list them can still be inspected.
        referrers: client.referrers(&top.digest).unwrap_or_default(),
        digest: top.digest,
    })
}
