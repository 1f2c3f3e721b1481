//! Parts of docker's API that hull does not have: each is answered with dockerd's own words, because clients look at them.

use crate::api::{Api, Handler};
use crate::failure::{Failure, Result};
use crate::http::Exchange;

/// What dockerd says where it needs a swarm. Clients take it as the answer that there is none.
pub const NO_SWARM: &str = "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this \
                            node to swarm and try again.";

/// Method, path and answer.
#[rustfmt::skip]
pub const ROUTES: &[(&str, &str, Handler)] = &[
    ("GET", "/swarm", no_swarm),
    ("POST", "/swarm/init", no_swarm_mode),
    ("POST", "/swarm/join", no_swarm_mode),
    ("POST", "/swarm/leave", not_in_swarm),
    ("POST", "/swarm/update", no_swarm),
    ("GET", "/swarm/unlockkey", no_swarm),
    ("POST", "/swarm/unlock", no_swarm),
    ("GET", "/services", no_swarm),
    ("POST", "/services/create", no_swarm),
    ("GET", "/services/{id}", no_swarm),
    ("POST", "/services/{id}/update", no_swarm),
    ("DELETE", "/services/{id}", no_swarm),
    ("GET", "/services/{id}/logs", no_swarm),
    ("GET", "/nodes", no_swarm),
    ("GET", "/nodes/{id}", no_swarm),
    ("DELETE", "/nodes/{id}", no_swarm),
    ("POST", "/nodes/{id}/update", no_swarm),
    ("GET", "/tasks", no_swarm),
    ("GET", "/tasks/{id}", no_swarm),
    ("GET", "/tasks/{id}/logs", no_swarm),
    ("GET", "/secrets", no_swarm),
    ("POST", "/secrets/create", no_swarm),
    ("GET", "/secrets/{id}", no_swarm),
    ("DELETE", "/secrets/{id}", no_swarm),
    ("POST", "/secrets/{id}/update", no_swarm),
    ("GET", "/configs", no_swarm),
    ("POST", "/configs/create", no_swarm),
    ("GET", "/configs/{id}", no_swarm),
    ("DELETE", "/configs/{id}", no_swarm),
    ("POST", "/configs/{id}/update", no_swarm),
    ("PUT", "/volumes/{name...}", no_cluster_volume),
    ("GET", "/plugins", plugins),
    ("GET", "/plugins/privileges", no_plugins),
    ("POST", "/plugins/pull", no_plugins),
    ("POST", "/plugins/create", no_plugins),
    ("GET", "/plugins/{name...}/json", no_plugin),
    ("DELETE", "/plugins/{name...}", no_plugin),
    ("POST", "/plugins/{name...}/enable", no_plugin),
    ("POST", "/plugins/{name...}/disable", no_plugin),
    ("POST", "/plugins/{name...}/push", no_plugin),
    ("POST", "/plugins/{name...}/upgrade", no_plugin),
    ("POST", "/plugins/{name...}/set", no_plugin),
    ("POST", "/session", no_buildkit),
    ("POST", "/grpc", no_buildkit),
];

fn no_swarm(_: &Api, _: &mut Exchange<'_>) -> Result<()> {
    Err(Failure::new(503, NO_SWARM))
}

fn not_in_swarm(_: &Api, _: &mut Exchange<'_>) -> Result<()> {
    Err(Failure::new(503, "This node is not part of a swarm"))
}

fn no_swarm_mode(_: &Api, _: &mut Exchange<'_>) -> Result<()> {
    Err(Failure::new(503, "hull has no swarm mode, so this host cannot be a node of one"))
}

fn no_cluster_volume(_: &Api, _: &mut Exchange<'_>) -> Result<()> {
    Err(Failure::new(503, "volume update only valid for cluster volumes, but swarm is unavailable"))
}

fn plugins(_: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    exchange.query().filters()?;
    exchange.json(200, &[(); 0])
}

fn no_plugin(_: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    Err(Failure::not_found(format!("plugin {:?} not found", exchange.parameter("name"))))
}

fn no_plugins(_: &Api, _: &mut Exchange<'_>) -> Result<()> {
    Err(Failure::not_found("hull has no managed plugins; its drivers are built in"))
}

fn no_buildkit(_: &Api, _: &mut Exchange<'_>) -> Result<()> {
    Err(Failure::not_found(
        "hull does not speak BuildKit's protocol; set DOCKER_BUILDKIT=0 in the client's environment to build with the classic \
         builder",
    ))
}
