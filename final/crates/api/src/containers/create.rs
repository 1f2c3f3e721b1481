//! `POST /containers/create`.

use hull_docker::wire::config::Config;
use hull_docker::wire::container::{CreateRequest, CreateResponse};
use hull_engine::options::CreateOptions;

use crate::api::Api;
use crate::failure::{Failure, Result};
use crate::http::{Exchange, invalid_json};

pub fn create(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let bytes = exchange.read_json_bytes()?;
    let mut request = CreateRequest::from_slice(&bytes).map_err(invalid_json)?;
    if request.config == Config::default() {
        return Err(Failure::invalid("config cannot be empty in order to create a container"));
    }
    (api.complete_request)(&mut request)?;
    let mut options = CreateOptions::try_from(request)?;
    let name = exchange.query().text("name");
    options.name = name.map(|name| name.strip_prefix('/').unwrap_or(name).to_owned());
    options.platform = exchange.query().text("platform").map(str::to_owned);
    let record = api.engine.create(&options)?;
    exchange.json(201, &CreateResponse { id: record.id, warnings: vec![] })
}
