//! Removing networks.

use std::time::SystemTime;

use hull_docker::filters::prune::{PruneFilters, Pruned};
use hull_engine::Error;
use serde::Serialize;

use crate::api::Api;
use crate::failure::{Failure, Result};
use crate::http::Exchange;

/// `DELETE /networks/{name}`.
pub fn delete(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let removed = api.engine.remove_network(exchange.parameter("name"));
    removed.map_err(|error| match error {
        Error::NetworkInUse { network, user } => Failure::new(
            403,
            format!("error while removing network: network {network} has active endpoints (name:{user:?})"),
        ),
        Error::Unsupported(why) => Failure::new(403, why),
        other => other.into(),
    })?;
    exchange.empty(204)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Report {
    networks_deleted: Option<Vec<String>>,
}

/// `POST /networks/prune`. As in docker, networks that cannot be removed are left out.
pub fn prune(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let filters = PruneFilters::parse(&exchange.query().filters()?, Pruned::Plain, SystemTime::now())?;
    let pruned = api.engine.prune_networks(&|one| filters.fit(&one.labels, Some(one.created.0)))?;
    let networks_deleted = Some(pruned.networks).filter(|networks| !networks.is_empty());
    exchange.json(200, &Report { networks_deleted })
}
