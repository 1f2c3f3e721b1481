//! `POST /networks/{name}/connect` and `disconnect`.

use hull_docker::wire::network::{ConnectRequest, DisconnectRequest};
use hull_engine::Error;
use hull_engine::options::NetworkOption;

use crate::api::Api;
use crate::failure::{Failure, Result};
use crate::http::Exchange;

pub fn connect(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let request: ConnectRequest = exchange.read_json()?;
    let network = exchange.parameter("name");
    check_container(&request.container)?;
    match network {
        "host" => {
            return Err(Failure::invalid(
                "cannot connect container to host network - container must be created in host network mode",
            ));
        }
        "none" => {
            return Err(Failure::invalid(
                "container cannot be connected to multiple networks with one of the networks in private (none) mode",
            ));
        }
        _ => {}
    }
    let option = NetworkOption::try_from((network, &request))?;
    api.engine.connect(&request.container, &option).map_err(failure)?;
    exchange.empty(200)
}

/// With `Force`, a container that does not exist any more is one that the network does not have.
pub fn disconnect(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let request: DisconnectRequest = exchange.read_json()?;
    let network = exchange.parameter("name");
    check_container(&request.container)?;
    // dockerd looks for the network first.
    api.engine.inspect_network(network)?;
    match api.engine.disconnect(&request.container, network) {
        Err(Error::NoSuchContainer(name)) if request.force => {
            Err(Failure::not_found(format!("endpoint {name} not found")))
        }
        done => done.map_err(failure).and_then(|()| exchange.empty(200)),
    }
}

fn check_container(name: &str) -> Result<()> {
    match name.trim() {
        "" => Err(Failure::invalid(format!("invalid name or ID supplied: {name:?}"))),
        _ => Ok(()),
    }
}

fn failure(error: Error) -> Failure {
    match error {
        Error::Connected { container, network } => {
            Failure::new(403, format!("endpoint with name {container} already exists in network {network}"))
        }
        Error::NotConnected { container, network } => {
            Failure::new(500, format!("container {container} is not connected to network {network}"))
        }
        // A container that is on no network of its own.
        Error::Unsupported(why) => Failure::invalid(why),
        other => other.into(),
    }
}
