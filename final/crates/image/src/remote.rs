//! What a registry has, looked at without pulling.

use serde_json::{Value, json};

use crate::config::{Descriptor, ImageConfig, Index};
use crate::digest::Digest;
use crate::error::Result;
use crate::inspect::{NEVER, run_config};
use crate::platform::Platform;
use crate::progress::Silent;
use crate::pull::choose;
use crate::reference::Reference;
use crate::registry::{Access, Client, Found};

/// All tags of the first repository that there is, and which that was.
pub fn tags(access: &Access, candidates: &[Reference]) -> Result<(Reference, Vec<String>)> {
    access.first(candidates, &Silent, |client, repository| Ok((repository.clone(), client.tags()?)))
}

/// What `registry` has of a name like this.
pub fn search(access: &Access, registry: &str, term: &str, limit: usize) -> Result<Vec<Found>> {
    let mut endpoint = access.settings().host(registry)?;
    if registry == crate::registry::DOCKER {
        // docker's search is not at its registry.
        endpoint.registry = "index.docker.io".into();
    }
    Client::new(access, endpoint).search(term, limit)
}

/// Takes an image, with all its tags, out of the registry.
pub fn delete(access: &Access, reference: &Reference) -> Result<Digest> {
    let client = Client::new(access, access.settings().endpoint(reference)?);
    let digest = client.manifest(&reference.wanted())?.digest;
    client.delete_manifest(&digest)?;
    Ok(digest)
}

/// All that is known of the first image that there is, in the layout of [`crate::store::Images::inspect`] as far as that
/// goes.
pub fn inspect(access: &Access, candidates: &[Reference], platform: Option<&Platform>) -> Result<Value> {
    access.first(candidates, &Silent, |client, reference| describe(client, reference, platform))
}

fn describe(client: &Client<'_>, reference: &Reference, platform: Option<&Platform>) -> Result<Value> {
    let top = client.manifest(&reference.wanted())?;
    let wanted = platform.cloned().unwrap_or_else(Platform::host);
    let chosen = choose::choose(client, &top, &wanted, platform.is_none())?;
    let document = client.document(&chosen.manifest.config)?;
    let damaged =
        |error| client.wrong(format!("the configuration of {} is none: {error}", reference.familiar()));
    let raw: Value = serde_json::from_slice(&document).map_err(damaged)?;
    let config: ImageConfig = serde_json::from_slice(&document).map_err(damaged)?;
    let index: Option<Index> = match top.digest == chosen.fetched.digest {
        true => None,
        false => serde_json::from_slice(&top.bytes).ok(),
    };
    let offered = index.iter().flat_map(|index| &index.manifests);
    let offered: Vec<Value> = offered
        .map(|entry| {
            let platform = entry.platform.as_ref().map(Platform::to_string);
            json!({ "Digest": entry.digest, "MediaType": entry.media_type, "Platform": platform })
        })
        .collect();
    let layer = |layer: &Descriptor| json!({ "MediaType": layer.media_type, "Digest": layer.digest, "Size": layer.size });
    let by_digest = reference.by_digest(&top.digest);
    // Who cannot list them can still inspect.
    let referrers = client.referrers(&top.digest).unwrap_or_default();
    let referrer = |referrer: &Descriptor| json!({ "Digest": referrer.digest, "MediaType": referrer.media_type, "Annotations": referrer.annotations });
    Ok(json!({
        "Id": chosen.manifest.config.digest,
        "Digest": top.digest,
        "RepoTags": if reference.digest().is_none() { vec![reference.familiar()] } else { vec![] },
        "RepoDigests": [by_digest.familiar()],
        "Created": config.created.as_deref().unwrap_or(NEVER),
        "Author": config.author.as_deref().unwrap_or_default(),
        "Config": run_config(raw.get("config")),
        "Architecture": config.architecture,
        "Os": config.os,
        "Size": chosen.manifest.layers.iter().map(|layer| layer.size).sum::<u64>(),
        "RootFS": { "Type": "layers", "Layers": config.rootfs.diff_ids },
        "Layers": chosen.manifest.layers.iter().map(layer).collect::<Vec<_>>(),
        "Manifests": offered,
        "Referrers": referrers.iter().map(referrer).collect::<Vec<_>>(),
        "Descriptor": {
            "mediaType": chosen.fetched.media_type,
            "digest": chosen.fetched.digest,
            "size": chosen.fetched.bytes.len(),
        },
    }))
}
