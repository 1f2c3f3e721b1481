//! `POST /containers/create`.

use hull_docker::wire::config::Config;
use hull_docker::wire::container::{CreateRequest, CreateResponse};
use hull_engine::Error;
use hull_engine::options::CreateOptions;

use super::compatibility::adapt;
use crate::api::Api;
use crate::failure::{Failure, Result};
use crate::http::{Exchange, invalid_json};
use crate::images::reference;

pub fn create(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let bytes = exchange.read_json_bytes()?;
    let mut request = CreateRequest::from_slice(&bytes).map_err(invalid_json)?;
    if request.config == Config::default() {
        return Err(Failure::invalid("config cannot be empty in order to create a container"));
    }
    let warnings = adapt(&mut request, exchange.version())?;
    (api.complete_request)(&mut request)?;
    let mut options = CreateOptions::try_from(request)?;
    let name = exchange.query().text("name");
    options.name = name.map(|name| name.strip_prefix('/').unwrap_or(name).to_owned());
    options.platform = exchange.query().text("platform").map(str::to_owned);
    reference::check(&options.image)?;
    let created = api.engine.create(&options).map_err(|error| {
        let is_about_image = error.is_no_such_image() || matches!(error, Error::OtherPlatform { .. });
        match reference::engine_failure(&options.image, error) {
            // A client that gets this status pulls the image and tries again.
            failure if failure.status == 404 && !is_about_image => Failure { status: 400, ..failure },
            failure => failure,
        }
    });
    exchange.json(201, &CreateResponse { id: created?.id, warnings })
}
