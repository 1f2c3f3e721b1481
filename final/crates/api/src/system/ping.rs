//! `/_ping` and `/version`: what a client asks first.

use crate::api::Api;
use crate::failure::Result;
use crate::http::Exchange;

/// `GET /_ping`, `HEAD /_ping`.
pub fn ping(_: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    exchange.add_header("Cache-Control", "no-cache, no-store, must-revalidate");
    exchange.add_header("Pragma", "no-cache");
    // The classic builder: clients that know BuildKit ask for its protocol only if this is 2.
    exchange.add_header("Builder-Version", "1");
    exchange.add_header("Swarm", "inactive");
    let body: &[u8] = if exchange.head().method == "HEAD" { b"" } else { b"OK" };
    exchange.bytes(200, "text/plain; charset=utf-8", body)
}

/// `GET /version`.
pub fn version(_: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    exchange.json(200, &hull_engine::server_version())
}
