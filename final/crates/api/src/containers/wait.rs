//! `POST /containers/{name}/wait`.

use std::io::{ErrorKind, Write};
use std::os::fd::AsFd;

use hull_engine::WaitCondition;
use serde::Serialize;

use crate::api::Api;
use crate::failure::{Failure, Result};
use crate::http::Exchange;
use crate::version::ApiVersion;

/// Before this version there are no conditions, and the head comes with the body.
const CONDITIONS: ApiVersion = ApiVersion(30);

/// From this version on, no error is left out and not null.
const OMITS_ERROR: ApiVersion = ApiVersion(42);

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Ended {
    /// Of the wait itself. It cannot fail once it has begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<()>,
    status_code: u8,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct OldEnded {
    error: Option<()>,
    status_code: u8,
}

pub fn wait(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let version = exchange.version();
    let condition = if version < CONDITIONS { WaitCondition::NotRunning } else { condition(exchange)? };
    let wait = api.engine.begin_wait(exchange.parameter("name"), condition)?;
    let gone = || Failure::client_gone(ErrorKind::BrokenPipe.into());
    if version < CONDITIONS {
        let status_code = wait.finish(exchange.client())?.ok_or_else(gone)?;
        return exchange.json(200, &OldEnded { error: None, status_code });
    }
    // The client starts the container only when it has seen the head.
    let mut body = exchange.stream(200, "application/json")?;
    let status_code = wait.finish(body.as_fd())?.ok_or_else(gone)?;
    let text = match version < OMITS_ERROR {
        true => serde_json::to_string(&OldEnded { error: None, status_code }),
        false => serde_json::to_string(&Ended { error: None, status_code }),
    };
    let text = text.map_err(|error| Failure::new(500, error.to_string()))?;
    writeln!(body, "{text}").map_err(Failure::client_gone)?;
    body.finish()
}

fn condition(exchange: &Exchange<'_>) -> Result<WaitCondition> {
    match exchange.query().text("condition") {
        None | Some("not-running") => Ok(WaitCondition::NotRunning),
        Some("next-exit") => Ok(WaitCondition::NextExit),
        Some("removed") => Ok(WaitCondition::Removed),
        // Older daemons took any other word for the default.
        Some(_) if exchange.version() < OMITS_ERROR => Ok(WaitCondition::NotRunning),
        Some(other) => Err(Failure::invalid(format!("invalid condition: {other:?}"))),
    }
}
