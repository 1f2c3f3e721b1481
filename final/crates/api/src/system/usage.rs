//! `GET /system/df`.

use hull_build::cache::usage::Entry;
use hull_docker::wire::container::ContainerSummary;
use hull_docker::wire::disk_usage::BuildCache;
use hull_docker::wire::volume::Volume;
use hull_engine::UsageOptions;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::api::Api;
use crate::failure::{Failure, Result};
use crate::http::Exchange;
use crate::images;
use crate::version::ApiVersion;

/// What `type` may name, from version 1.42 on.
const TYPES: [&str; 4] = ["container", "image", "volume", "build-cache"];

/// What was not asked for is `null`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    layers_size: u64,
    images: Option<Vec<Map<String, Value>>>,
    containers: Option<Vec<ContainerSummary>>,
    volumes: Option<Vec<Volume>>,
    build_cache: Option<Vec<BuildCache>>,
}

pub fn disk_usage(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let mut wanted: Vec<&str> = match exchange.version() < ApiVersion(42) {
        true => vec![],
        false => exchange.query().all("type").collect(),
    };
    if let Some(unknown) = wanted.iter().find(|kind| !TYPES.contains(kind)) {
        return Err(Failure::invalid(format!("unknown object type: {unknown}")));
    }
    if wanted.is_empty() {
        wanted = TYPES.into();
    }
    let asks = |kind| wanted.contains(&kind);
    let options =
        UsageOptions { images: asks("image"), containers: asks("container"), volumes: asks("volume") };
    let usage = api.engine.disk_usage(options)?;
    let cache = |entries: Vec<Entry>| entries.iter().map(Entry::wire).collect();
    let build_cache = match asks("build-cache") {
        true => Some(cache(hull_build::cache::usage::entries(&api.engine)?)),
        false => None,
    };
    let images = usage.images.iter().map(|image| images::keys::listed(image, exchange.version()));
    let images = images.collect::<Result<Vec<_>>>()?;
    let answer = Answer {
        layers_size: usage.layers_size,
        images: options.images.then_some(images),
        containers: options.containers.then_some(usage.containers),
        volumes: options.volumes.then_some(usage.volumes),
        build_cache,
    };
    exchange.json(200, &answer)
}
