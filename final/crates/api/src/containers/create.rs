//! `POST /containers/create`.

use hull_docker::wire::config::Config;
use hull_docker::wire::container::{CreateRequest, CreateResponse};
use hull_docker::wire::host_config::HostConfig;
use hull_engine::options::CreateOptions;

use crate::api::Api;
use crate::failure::{Failure, Result};
use crate::http::{Exchange, invalid_json};
use crate::images::reference;
use crate::version::ApiVersion;

pub fn create(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let bytes = exchange.read_json_bytes()?;
    let mut request = CreateRequest::from_slice(&bytes).map_err(invalid_json)?;
    if request.config == Config::default() {
        return Err(Failure::invalid("config cannot be empty in order to create a container"));
    }
    adjust(&mut request.host_config, exchange.version());
    (api.complete_request)(&mut request)?;
    let mut options = CreateOptions::try_from(request)?;
    let name = exchange.query().text("name");
    options.name = name.map(|name| name.strip_prefix('/').unwrap_or(name).to_owned());
    options.platform = exchange.query().text("platform").map(str::to_owned);
    reference::check(&options.image)?;
    let created = api.engine.create(&options);
    let record = created.map_err(|error| reference::engine_failure(&options.image, error))?;
    exchange.json(201, &CreateResponse { id: record.id, warnings: vec![] })
}

/// What dockerd does for clients of older versions.
fn adjust(host: &mut HostConfig, version: ApiVersion) {
    // The client itself removed the container.
    if version < ApiVersion(25) {
        host.auto_remove = false;
    }
    if version < ApiVersion(40) && host.ipc_mode.is_empty() {
        "shareable".clone_into(&mut host.ipc_mode);
    }
}
