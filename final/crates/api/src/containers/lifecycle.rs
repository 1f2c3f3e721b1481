//! Starting, ending and removing a container.

use hull_engine::StartAttach;

use crate::api::Api;
use crate::failure::Result;
use crate::http::Exchange;

/// `POST /containers/{name}/start`.
pub fn start(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    api.engine.start(exchange.parameter("name"), StartAttach::Detached, None)?;
    exchange.empty(204)
}

/// `DELETE /containers/{name}`.
pub fn delete(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let query = exchange.query();
    let (force, volumes) = (query.flag("force"), query.flag("v"));
    api.engine.remove(exchange.parameter("name"), force, volumes)?;
    exchange.empty(204)
}
