//! `GET /containers/json`.

use std::time::SystemTime;

use hull_docker::filters::container::ContainerFilters;
use hull_docker::wire::container::ContainerSummary;

use crate::api::Api;
use crate::failure::Result;
use crate::http::Exchange;
use crate::version::ApiVersion;

pub fn list(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let query = exchange.query();
    let (is_all, with_size) = (query.flag("all"), query.flag("size"));
    // A limit of 0 or less is none.
    let limit =
        query.number("limit")?.and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0);
    let filters = ContainerFilters::parse(&query.filters()?)?;
    let all = api.engine.list()?;
    let selection = api.engine.select(filters, &all)?;
    let has_stopped = is_all || limit.is_some() || selection.says_states();
    let now = SystemTime::now();
    let chosen = all.iter().filter(|one| (has_stopped || one.status.is_active()) && selection.fits(one));
    let lines = chosen.take(limit.unwrap_or(usize::MAX)).map(|one| {
        let mut line = one.describe(now);
        if exchange.version() < ApiVersion(46) {
            line.host_config.annotations.clear();
        }
        if !with_size {
            return Ok(line);
        }
        let (written, image) = api.engine.size_of(one)?;
        // Go leaves out a zero.
        let size_rw = Some(written).filter(|written| *written > 0);
        Ok(ContainerSummary { size_rw, size_root_fs: Some(written + image), ..line })
    });
    let lines = lines.collect::<Result<Vec<_>>>()?;
    exchange.json(200, &lines)
}
