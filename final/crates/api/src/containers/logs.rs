//! `GET /containers/{name}/logs`.

use hull_engine::options::LogsOptions;

use crate::api::Api;
use crate::failure::{Failure, Result};
use crate::http::Exchange;
use crate::moment;
use crate::streams::{Framing, LogWriter, MULTIPLEXED, NAMES_FRAMES, RAW};

pub fn logs(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let query = exchange.query();
    let output = ["stdout", "stderr"].map(|name| query.flag(name));
    if output == [false; 2] {
        return Err(Failure::invalid("Bad parameters: you must choose at least one stream"));
    }
    let options = LogsOptions {
        follow: query.flag("follow"),
        since: moment::of(query, "since")?,
        until: moment::of(query, "until")?,
        // dockerd takes what is no number, or is negative, for all lines.
        tail: query.text("tail").and_then(|text| text.parse().ok()),
        timestamps: query.flag("timestamps"),
        details: query.flag("details"),
    };
    let name = exchange.parameter("name").to_owned();
    let tty = api.engine.stdio(&name)?.tty;
    if !api.engine.has_readable_log(&name)? {
        return Err(Failure::new(501, "configured logging driver does not support reading"));
    }
    let content_type = match exchange.version() < NAMES_FRAMES {
        true => "",
        false if tty => RAW,
        false => MULTIPLEXED,
    };
    let framing = Framing::of_terminal(tty);
    let body = exchange.stream(200, content_type)?;
    let mut writer = LogWriter::new(body, output, &framing);
    api.engine.logs(&name, &options, &mut writer)?;
    writer.into_inner().finish()
}
