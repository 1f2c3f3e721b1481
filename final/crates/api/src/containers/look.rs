//! What a container is, and what runs and has changed in it.

use std::path::Path;

use hull_docker::wire::container::{Change as ChangeLine, TopResponse};
use hull_engine::Change;

use crate::api::Api;
use crate::failure::Result;
use crate::http::Exchange;

/// `GET /containers/{name}/json`.
pub fn inspect(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let name = exchange.parameter("name");
    let container = match exchange.query().flag("size") {
        true => api.engine.inspect_with_size(name)?,
        false => api.engine.inspect(name)?,
    };
    exchange.json(200, &container)
}

/// `GET /containers/{name}/top`.
pub fn top(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let args = exchange.query().text("ps_args").unwrap_or_default();
    let args: Vec<String> = args.split_ascii_whitespace().map(str::to_owned).collect();
    let top = api.engine.top(exchange.parameter("name"), &args)?;
    exchange.json(200, &TopResponse { processes: top.rows, titles: top.titles })
}

/// `GET /containers/{name}/changes`.
pub fn changes(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let line = |path: &Path, kind| ChangeLine { path: path.display().to_string(), kind };
    let changes = api.engine.changes(exchange.parameter("name"))?;
    let lines: Vec<ChangeLine> = changes
        .iter()
        .map(|change| match change {
            Change::Changed(path) => line(path, 0),
            Change::Added(path) => line(path, 1),
            Change::Deleted(path) => line(path, 2),
        })
        .collect();
    // Go's null for a list that was never made.
    exchange.json(200, &Some(lines).filter(|lines| !lines.is_empty()))
}
