//! `POST /containers/create`.

use hull_docker::wire::container::CreateRequest;
use hull_engine::options::CreateOptions;
use serde::Serialize;

use crate::api::Api;
use crate::failure::Result;
use crate::http::Exchange;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Created {
    id: String,
    warnings: Vec<String>,
}

pub fn create(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let request: CreateRequest = exchange.read_json()?;
    let mut options = CreateOptions::try_from(request)?;
    options.name = exchange.query().text("name").map(str::to_owned);
    options.platform = exchange.query().text("platform").map(str::to_owned);
    let record = api.engine.create(&options)?;
    exchange.json(201, &Created { id: record.id, warnings: vec![] })
}
