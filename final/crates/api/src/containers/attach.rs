//! `POST /containers/{name}/attach`, and `GET /containers/{name}/attach/ws`.

use std::io::Write;

use hull_docker::detach_keys::DetachKeys;
use hull_engine::options::LogsOptions;
use hull_engine::{AttachStream, ContainerStdio, LogEnd, Stream};

use crate::api::Api;
use crate::failure::{Failure, Result};
use crate::http::{Exchange, Hijacked};
use crate::streams::{
    Framing, LogWriter, MULTIPLEXED, NAMES_FRAMES, Plan, RAW, StdinEnd, accept_websocket, pump,
};
use crate::version::ApiVersion;

/// Before this version the messages of a websocket are text.
const BINARY_MESSAGES: ApiVersion = ApiVersion(28);

/// What a client asks for.
struct Wanted {
    stdin: bool,
    output: [bool; 2],
    /// What the container has written before.
    logs: bool,
    /// What it writes from now on.
    stream: bool,
    keys: DetachKeys,
}

impl Wanted {
    fn of(exchange: &Exchange<'_>) -> Result<Self> {
        let query = exchange.query();
        let text = query.text("detachKeys");
        let invalid =
            |_| Failure::invalid(format!("Invalid detach keys ({}) provided", text.unwrap_or_default()));
        Ok(Self {
            stdin: query.flag("stdin"),
            output: ["stdout", "stderr"].map(|name| query.flag(name)),
            logs: query.flag("logs"),
            stream: query.flag("stream"),
            keys: DetachKeys::new(text).map_err(invalid)?,
        })
    }
}

/// An attachment that is ready for its client.
struct Attached {
    /// `None` if only the log is wanted.
    stream: Option<AttachStream>,
    log: Option<LogEnd>,
    stdio: ContainerStdio,
}

pub fn attach(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let begun =
        Wanted::of(exchange).and_then(|wanted| begin(api, exchange, &wanted).map(|begun| (wanted, begun)));
    let (wanted, attached) = match begun {
        Ok(begun) => begun,
        // dockerd has taken the connection over by then, so its answer is no JSON.
        Err(failure) => return exchange.refuse_stream(&failure, RAW),
    };
    let has_frames = !attached.stdio.tty;
    let names_frames = has_frames && exchange.is_upgrade() && exchange.version() >= NAMES_FRAMES;
    let name = exchange.parameter("name").to_owned();
    let client = exchange.hijack(if names_frames { MULTIPLEXED } else { RAW }, false)?;
    carry(api, client, &name, wanted, attached, Framing::of_terminal(!has_frames))
}

pub fn attach_websocket(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let mut wanted = Wanted::of(exchange)?;
    if exchange.version() < NAMES_FRAMES {
        (wanted.stdin, wanted.output) = (true, [true; 2]);
    }
    let attached = begin(api, exchange, &wanted)?;
    let name = exchange.parameter("name").to_owned();
    let is_binary = exchange.version() >= BINARY_MESSAGES;
    let client = accept_websocket(exchange)?;
    let framing = Framing::WebSocket { decoder: Default::default(), is_binary };
    carry(api, client, &name, wanted, attached, framing)
}

/// Attaches before the client gets an answer: it starts the container when it has one.
fn begin(api: &Api, exchange: &Exchange<'_>, wanted: &Wanted) -> Result<Attached> {
    let name = exchange.parameter("name");
    let stdio = api.engine.stdio(name)?;
    if !wanted.stream {
        api.engine.check_attach(name)?;
        return Ok(Attached { stream: None, log: None, stdio });
    }
    let (stream, log) = api.engine.attach_or_await(name, wanted.stdin)?;
    Ok(Attached { stream: Some(stream), log: Some(log), stdio })
}

fn carry(
    api: &Api,
    mut client: Hijacked<'_>,
    name: &str,
    wanted: Wanted,
    attached: Attached,
    framing: Framing,
) -> Result<()> {
    if wanted.logs {
        let mut log = LogWriter::new(&mut client, wanted.output, &framing);
        let replayed = match attached.log {
            Some(end) => api.engine.logs_before(name, end, &mut log),
            None => api.engine.logs(name, &LogsOptions::default(), &mut log),
        };
        if let Err(error) = replayed {
            let mut text = Vec::new();
            framing.encode(Stream::Stdout, format!("Error attaching: {error}\n").as_bytes(), &mut text);
            return client.write_all(&text).map_err(Failure::client_gone);
        }
    }
    let Some(stream) = attached.stream else { return Ok(()) };
    let ContainerStdio { tty, open_stdin, stdin_once } = attached.stdio;
    let end = if stdin_once && !tty { StdinEnd::Closes } else { StdinEnd::Detaches };
    let plan = Plan {
        stdin: (wanted.stdin && open_stdin).then_some(end),
        output: wanted.output,
        framing,
        keys: tty.then_some(wanted.keys),
    };
    pump(client, stream, plan)
}
