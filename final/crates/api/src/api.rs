//! What every handler is given.

use hull_engine::Engine;

/// The engine and the administrator's settings. A worker has a copy of its parent's.
#[derive(Clone)]
pub struct Api {
    pub engine: Engine,
    /// Called after each request, with the engine: starts containers whose monitor was found dead.
    pub after_request: fn(&Engine),
}
