//! `POST /containers/{name}/resize`, and the size in the query of every such request.

use hull_engine::WindowSize;

use crate::api::Api;
use crate::failure::{Failure, Result};
use crate::http::Exchange;

pub fn resize(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let size = window_size(exchange)?;
    api.engine.resize(exchange.parameter("name"), size)?;
    exchange.empty(200)
}

/// Rows and columns.
pub fn window_size(exchange: &Exchange<'_>) -> Result<WindowSize> {
    let number = |name| {
        let text = exchange.query().text(name).unwrap_or_default();
        let number: Option<i64> = text.parse().ok();
        let number = number
            .ok_or_else(|| Failure::invalid(format!("strconv.Atoi: parsing {text:?}: invalid syntax")))?;
        // The kernel's size has 16 bits.
        u16::try_from(number)
            .map_err(|_| Failure::invalid(format!("{name}={number} is no size of a terminal")))
    };
    Ok((number("h")?, number("w")?))
}
