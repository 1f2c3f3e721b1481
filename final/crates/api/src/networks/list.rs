//! Showing networks.

use hull_docker::filters::network::NetworkFilters;
use hull_docker::wire::network::Network;

use crate::api::Api;
use crate::failure::{Failure, Result};
use crate::http::Exchange;
use crate::version::ApiVersion;

/// The scope of every network that hull has.
const LOCAL: &str = "local";

/// `GET /networks`.
pub fn list(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let filters = NetworkFilters::parse(&exchange.query().filters()?)?;
    let mut networks = api.engine.fitting_networks(&filters)?;
    // From this version on only an inspection shows containers.
    if exchange.version() < ApiVersion(28) {
        for network in &mut networks {
            network.containers = api.engine.inspect_network(&network.name)?.containers;
        }
    }
    let networks: Vec<Network> = networks.into_iter().map(shown).collect();
    exchange.json(200, &networks)
}

/// `GET /networks/{name}`. `verbose` adds services of a swarm, of which there are none.
pub fn inspect(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let query = exchange.query();
    if let Some(text) = query.text("verbose") {
        hull_docker::bools::parse(text).map_err(|_| {
            let why = format!("strconv.ParseBool: parsing {text:?}: invalid syntax");
            Failure::invalid(format!("invalid value for verbose: {text}: {why}"))
        })?;
    }
    let name = exchange.parameter("name");
    if query.text("scope").is_some_and(|scope| scope != LOCAL) {
        return Err(hull_engine::Error::NoSuchNetwork(name.to_owned()).into());
    }
    let network = api.engine.inspect_network(name)?;
    exchange.json(200, &shown(network))
}

fn shown(network: Network) -> Network {
    // docker's clients know no such key.
    Network { bridge: None, ..network }
}
