//! `POST /images/prune`.

use std::time::SystemTime;

use hull_docker::filters::prune::{PruneFilters, Pruned};
use serde::Serialize;

use super::delete::Item;
use crate::api::Api;
use crate::failure::Result;
use crate::http::Exchange;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Report {
    /// `null` if there are none.
    images_deleted: Option<Vec<Item>>,
    space_reclaimed: u64,
}

pub fn prune(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let texts = exchange.query().filters()?;
    let filters = PruneFilters::parse(&texts, Pruned::Images, SystemTime::now())?;
    let pruned = api.engine.prune_fitting_images(false, &filters)?;
    let items: Vec<Item> = pruned.removed.into_iter().map(Item::from).collect();
    let images_deleted = Some(items).filter(|items| !items.is_empty());
    exchange.json(200, &Report { images_deleted, space_reclaimed: pruned.bytes })
}
