//! `POST /containers/create`.

use hull_docker::wire::container::{CreateRequest, CreateResponse};
use hull_engine::options::CreateOptions;

use crate::api::Api;
use crate::failure::Result;
use crate::http::{Exchange, invalid_json};

pub fn create(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let bytes = exchange.read_json_bytes()?;
    let request = CreateRequest::from_slice(&bytes).map_err(invalid_json)?;
    let mut options = CreateOptions::try_from(request)?;
    options.name = exchange.query().text("name").map(str::to_owned);
    options.platform = exchange.query().text("platform").map(str::to_owned);
    let record = api.engine.create(&options)?;
    exchange.json(201, &CreateResponse { id: record.id, warnings: vec![] })
}
