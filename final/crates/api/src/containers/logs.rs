//! `GET /containers/{name}/logs`.

use std::time::{Duration, SystemTime};

use hull_docker::time;
use hull_engine::options::LogsOptions;

use crate::api::Api;
use crate::failure::{Failure, Result};
use crate::http::{Exchange, Query};
use crate::streams::{Framing, LogWriter, MULTIPLEXED, NAMES_FRAMES, RAW};

pub fn logs(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let query = exchange.query();
    let output = ["stdout", "stderr"].map(|name| query.flag(name));
    if output == [false; 2] {
        return Err(Failure::invalid("Bad parameters: you must choose at least one stream"));
    }
    let options = LogsOptions {
        follow: query.flag("follow"),
        since: moment(query, "since")?,
        until: moment(query, "until")?.filter(|until| *until != SystemTime::UNIX_EPOCH),
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

/// A time: `SECONDS[.NANOSECONDS]` since 1970 is what dockerd takes. The command line's other forms are taken, too.
fn moment(query: &Query, name: &str) -> Result<Option<SystemTime>> {
    let Some(text) = query.text(name) else { return Ok(None) };
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let nanoseconds = format!("{fraction:0<9}").get(..9).and_then(|digits| digits.parse().ok());
    if let (Ok(seconds), Some(nanoseconds)) = (seconds.parse(), nanoseconds) {
        return Ok(SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanoseconds)));
    }
    let other = time::parse(text, SystemTime::now());
    let syntax = |_| Failure::invalid(format!("strconv.ParseInt: parsing {text:?}: invalid syntax"));
    other.map(Some).map_err(syntax)
}
