//! The result of `image inspect --remote`: the keys of a local image as far as a registry has them, and some of hull's
//! own.

use std::collections::BTreeMap;

use anyhow::Result;
use hull_docker::wire::NEVER;
use hull_docker::wire::config::ImageConfig;
use hull_docker::wire::image::{Descriptor, RootFs};
use hull_image::platform::Platform;
use hull_image::{config, remote};
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RemoteImage {
    id: String,
    digest: String,
    repo_tags: Vec<String>,
    repo_digests: Vec<String>,
    created: String,
    author: String,
    config: ImageConfig,
    architecture: String,
    os: String,
    /// Bytes in the registry, where layers are usually compressed.
    size: u64,
    #[serde(rename = "RootFS")]
    root_fs: RootFs,
    layers: Vec<Layer>,
    manifests: Vec<Manifest>,
    referrers: Vec<Referrer>,
    descriptor: Descriptor,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Layer {
    media_type: String,
    digest: String,
    size: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Manifest {
    digest: String,
    media_type: String,
    platform: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Referrer {
    digest: String,
    media_type: String,
    annotations: BTreeMap<String, String>,
}

impl RemoteImage {
    pub fn of(image: remote::RemoteImage) -> Result<Self> {
        let reference = image.reference;
        let config = hull_engine::image_config(&reference.familiar(), image.run_config.as_deref())?;
        let layer = |layer: &config::Descriptor| Layer {
            media_type: layer.media_type.clone(),
            digest: layer.digest.to_string(),
            size: layer.size,
        };
        let manifest = |manifest: config::Descriptor| Manifest {
            digest: manifest.digest.to_string(),
            media_type: manifest.media_type,
            platform: manifest.platform.as_ref().map(Platform::to_string),
        };
        let referrer = |referrer: config::Descriptor| Referrer {
            digest: referrer.digest.to_string(),
            media_type: referrer.media_type,
            annotations: referrer.annotations,
        };
        Ok(Self {
            id: image.id.to_string(),
            repo_tags: if reference.digest().is_none() { vec![reference.familiar()] } else { vec![] },
            repo_digests: vec![reference.by_digest(&image.digest).familiar()],
            digest: image.digest.to_string(),
            created: image.config.created.unwrap_or_else(|| NEVER.into()),
            author: image.config.author.unwrap_or_default(),
            config,
            architecture: image.config.architecture,
            os: image.config.os,
            size: image.layers.iter().map(|layer| layer.size).sum(),
            root_fs: RootFs {
                kind: "layers".into(),
                layers: image.config.rootfs.diff_ids.iter().map(ToString::to_string).collect(),
            },
            layers: image.layers.iter().map(layer).collect(),
            manifests: image.platforms.into_iter().map(manifest).collect(),
            referrers: image.referrers.into_iter().map(referrer).collect(),
            descriptor: Descriptor {
                media_type: image.manifest.media_type,
                digest: image.manifest.digest.to_string(),
                size: image.manifest.size,
            },
        })
    }
}
