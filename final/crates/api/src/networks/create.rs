//! `POST /networks/create`.

use hull_docker::wire::network::{CreateRequest, Created};
use hull_engine::{Error, NetworkOptions};

use crate::api::Api;
use crate::failure::{Failure, Result};
use crate::http::Exchange;
use crate::refusals::NO_SWARM;

/// The names of docker's own networks.
const PREDEFINED: [&str; 4] = ["bridge", "host", "none", "default"];

pub fn create(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let request: CreateRequest = exchange.read_json()?;
    check(&request)?;
    let network = api.engine.create_network(&NetworkOptions::try_from(request)?);
    let network = network.map_err(|error| match &error {
        // Clients look for "Pool overlaps".
        Error::SubnetTaken { .. } => Failure::new(
            403,
            format!("invalid pool request: Pool overlaps with other one on this address space: {error}"),
        ),
        _ => error.into(),
    })?;
    exchange.json(201, &Created { id: network.id, warning: String::new() })
}

/// What dockerd refuses with words of its own.
fn check(request: &CreateRequest) -> Result<()> {
    if request.name.trim().is_empty() {
        return Err(Failure::invalid("invalid name: name is empty"));
    }
    if PREDEFINED.contains(&&*request.name) {
        let message = format!("operation is not permitted on predefined {} network ", request.name);
        return Err(Failure::new(403, message));
    }
    if request.driver == "overlay" {
        return Err(Failure::new(403, NO_SWARM));
    }
    if !["", "default"].contains(&&*request.ipam.driver) {
        return Err(Failure::not_found(format!("plugin {:?} not found", request.ipam.driver)));
    }
    if request.ingress {
        return Err(Failure::new(403, "Ingress network can only be global scope network"));
    }
    if let driver @ ("host" | "null") = &*request.driver {
        return Err(Failure::new(403, format!("only one instance of {driver:?} network is allowed")));
    }
    Ok(())
}
