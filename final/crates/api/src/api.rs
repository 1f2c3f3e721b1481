//! What every handler is given.

use hull_docker::wire::container::CreateRequest;
use hull_docker::wire::info::Info;
use hull_engine::Engine;
use hull_image::registry::AccessOptions;

use crate::failure::Result;
use crate::http::Exchange;

/// Answers a request. An error is sent as the answer, unless the handler has begun one.
pub type Handler = fn(&Api, &mut Exchange<'_>) -> Result<()>;

/// The engine and the administrator's settings. A worker has a copy of its parent's.
#[derive(Clone)]
pub struct Api {
    pub engine: Engine,
    /// How registries are reached: what the server's environment and files say. A client's credentials come before those.
    pub registry: AccessOptions,
    /// Fills in what a request to create a container leaves open, from the administrator's settings.
    pub complete_request: fn(&mut CreateRequest) -> Result<()>,
    /// Called after each request, with the engine: starts containers whose monitor was found dead.
    pub after_request: fn(&Engine),
    /// Fills in the administrator's settings that `info` shows.
    pub complete_info: fn(&mut Info),
}
