//! `/containers/{name}/exec` and `/exec`: a program in a running container.

use std::io::Write;

use hull_docker::detach_keys::DetachKeys;
use hull_docker::wire::exec::{ExecRequest, ExecStart};
use hull_engine::{Error, Stream, WindowSize};
use serde::Serialize;

use crate::api::Api;
use crate::containers::window_size;
use crate::failure::{Failure, Result};
use crate::http::Exchange;
use crate::streams::{Framing, MULTIPLEXED, NAMES_FRAMES, Plan, RAW, StdinEnd, pump};
use crate::version::ApiVersion;
use crate::words::as_go_writes;

/// The first version in which the terminal's size comes with these requests.
const CONSOLE_SIZE: ApiVersion = ApiVersion(42);

/// `POST /containers/{name}/exec`.
pub fn create(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Created {
        id: String,
    }
    let mut request: ExecRequest = exchange.read_json()?;
    if request.cmd.is_empty() {
        return Err(Failure::invalid("No exec command specified"));
    }
    let keys = &request.detach_keys;
    if !keys.is_empty() && DetachKeys::new(Some(keys)).is_err() {
        return Err(Failure::invalid(format!("Invalid escape keys ({keys}) provided")));
    }
    if exchange.version() < CONSOLE_SIZE || !request.tty {
        request.console_size = None;
    }
    let name = exchange.parameter("name");
    let id = api.engine.create_exec(name, request)?;
    exchange.json(201, &Created { id })
}

/// `GET /exec/{id}/json`.
pub fn inspect(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let (_, exec) = api.engine.inspect_exec(exchange.parameter("id"))?;
    exchange.json(200, &exec)
}

/// `POST /exec/{id}/resize`.
pub fn resize(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let size = window_size(exchange)?;
    api.engine.resize_exec(exchange.parameter("id"), size).map_err(|error| match error {
        // dockerd's status.
        Error::ExecNotStarted { .. } => Failure::new(500, error.to_string()),
        error => error.into(),
    })?;
    exchange.empty(200)
}

/// `POST /exec/{id}/start`.
pub fn start(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let start: ExecStart = exchange.read_json()?;
    let id = exchange.parameter("id").to_owned();
    let has_size = start.tty && exchange.version() >= CONSOLE_SIZE;
    let size = start.console_size.filter(|_| has_size).map(|[rows, columns]| (rows, columns));
    if start.detach {
        api.engine.start_exec(&id, true, size)?;
        return exchange.empty(200);
    }
    api.engine.check_exec(&id)?;
    start_attached(api, exchange, &id, start.tty, size)
}

fn start_attached(
    api: &Api,
    exchange: &mut Exchange<'_>,
    id: &str,
    tty: bool,
    size: Option<WindowSize>,
) -> Result<()> {
    let (request, _) = api.engine.inspect_exec(id)?;
    // As in dockerd, the client that starts it says whether it expects frames.
    let framing = Framing::of_terminal(tty);
    let names_frames = !tty && exchange.is_upgrade() && exchange.version() >= NAMES_FRAMES;
    let mut client = exchange.hijack(if names_frames { MULTIPLEXED } else { RAW }, true)?;
    // From here on an error is a part of the stream.
    let stream = match api.engine.start_exec(id, false, size) {
        Ok(Some(stream)) => stream,
        Ok(None) => return Ok(()),
        Err(error) => {
            let message = format!("{}\r\n", as_go_writes(&error.to_string()));
            let mut text = Vec::new();
            framing.encode(Stream::Stdout, message.as_bytes(), &mut text);
            return client.write_all(&text).map_err(Failure::client_gone);
        }
    };
    let text = Some(request.detach_keys.as_str()).filter(|keys| !keys.is_empty());
    let plan = Plan {
        stdin: request.attach_stdin.then_some(if request.tty {
            StdinEnd::Detaches
        } else {
            StdinEnd::Closes
        }),
        output: [request.attach_stdout, request.attach_stderr],
        framing,
        keys: DetachKeys::new(text).ok().filter(|_| request.tty),
    };
    pump(client, stream, plan)
}
