//! `GET /images/json`.

use std::time::{SystemTime, UNIX_EPOCH};

use hull_docker::filters::image::ImageFilters;
use hull_docker::wire::disk_usage::ImageSummary;

use super::keys;
use crate::api::Api;
use crate::failure::Result;
use crate::http::Exchange;
use crate::version::ApiVersion;

/// Up to this version `filter` was a reference.
const LAST_FILTER: ApiVersion = ApiVersion(40);

/// `all` adds docker's intermediate images, which hull does not have, and `digests` is the client's business.
pub fn list(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let (query, version) = (exchange.query(), exchange.version());
    let mut texts = query.filters()?;
    if version <= LAST_FILTER {
        texts.extend(query.text("filter").map(|reference| format!("reference={reference}")));
    }
    let filters = ImageFilters::parse(&texts, SystemTime::now())?;
    let counts = version >= keys::FIRST_CONTAINERS;
    let shared_size = query.flag("shared-size");
    let images = api.engine.list_images(&filters)?;
    let summaries = api.engine.summarize_images(&images, counts, shared_size)?;
    let summaries = summaries.iter().map(|image: &ImageSummary| keys::listed(image, version));
    exchange.json(200, &summaries.collect::<Result<Vec<_>>>()?)
}

pub fn seconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}
