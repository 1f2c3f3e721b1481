//! `POST /build/prune`.

use std::time::SystemTime;

use hull_build::cache::prune::{PruneOptions, prune as remove};
use hull_docker::filters::build_cache::BuildCacheFilters;
use serde::Serialize;

use crate::api::Api;
use crate::failure::{Failure, Result};
use crate::http::{Exchange, Query};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Report {
    /// `null` if there are none.
    caches_deleted: Option<Vec<String>>,
    space_reclaimed: u64,
}

pub fn prune(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let query = exchange.query();
    let mut filters = query.filters()?;
    // `system prune` passes on its filters. Entries have no labels, so none has the one that is asked for.
    if filters.iter().any(|filter| filter.starts_with("label=")) {
        return exchange.json(200, &Report { caches_deleted: None, space_reclaimed: 0 });
    }
    filters.retain(|filter| !filter.starts_with("label!="));
    let filters = BuildCacheFilters::parse(&filters, SystemTime::now()).map_err(Failure::invalid)?;
    let old = bytes(query, "keep-storage")?;
    let options = PruneOptions {
        all: query.flag("all"),
        filters,
        reserved: bytes(query, "reserved-space")?.or(old).unwrap_or(0),
        max_used: bytes(query, "max-used-space")?.unwrap_or(0),
        min_free: bytes(query, "min-free-space")?.unwrap_or(0),
    };
    let pruned =
        remove(&api.engine, &options).map_err(|error| Failure::of(error.kind(), error.to_string()))?;
    let ids: Vec<String> = pruned.removed.into_iter().map(|entry| entry.id).collect();
    let caches_deleted = Some(ids).filter(|ids| !ids.is_empty());
    exchange.json(200, &Report { caches_deleted, space_reclaimed: pruned.bytes })
}

fn bytes(query: &Query, name: &str) -> Result<Option<u64>> {
    let number = super::number(query, name)?;
    let wrong = || Failure::invalid(format!("{name} is in bytes, an integer greater than 0"));
    number.map(|number| u64::try_from(number).map_err(|_| wrong())).transpose()
}
