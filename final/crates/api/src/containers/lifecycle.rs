//! Starting, ending and removing a container.

use hull_engine::StartAttach;
use serde::Serialize;

use crate::api::Api;
use crate::failure::Result;
use crate::http::Exchange;

/// `POST /containers/{name}/start`.
pub fn start(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    api.engine.start(exchange.parameter("name"), StartAttach::Detached, None)?;
    exchange.empty(204)
}

/// `POST /containers/{name}/wait`.
pub fn wait(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Ended {
        status_code: u8,
    }
    let name = exchange.parameter("name").to_owned();
    // The client starts the container only when it has seen the head.
    let mut body = exchange.stream(200, "application/json")?;
    let status_code = api.engine.wait(&name)?;
    body.json_line(&Ended { status_code })?;
    body.finish()
}

/// `DELETE /containers/{name}`.
pub fn delete(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let query = exchange.query();
    let (force, volumes) = (query.flag("force"), query.flag("v"));
    api.engine.remove(exchange.parameter("name"), force, volumes)?;
    exchange.empty(204)
}
