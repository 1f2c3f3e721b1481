//! HEALTHCHECK.

use std::time::Duration;

use super::super::instruction::Healthcheck;
use super::{Flags, command};

/// docker's shortest duration.
const SHORTEST: Duration = Duration::from_millis(1);

pub(super) fn parse(json: bool, mut values: Vec<String>, flags: &Flags) -> Result<Healthcheck, String> {
    if values.is_empty() {
        return Err("HEALTHCHECK requires at least one argument".into());
    }
    let kind = values.remove(0).to_ascii_uppercase();
    match &*kind {
        "NONE" if values.is_empty() => return Ok(Healthcheck::None),
        "NONE" => return Err("HEALTHCHECK NONE takes no arguments".into()),
        "CMD" if values.is_empty() => return Err("Missing command after HEALTHCHECK CMD".into()),
        "CMD" => {}
        _ => return Err(format!("Unknown type {kind:?} in HEALTHCHECK (try CMD)")),
    }
    Ok(Healthcheck::Check {
        command: command(json, values),
        interval: duration(flags, "interval")?,
        timeout: duration(flags, "timeout")?,
        start_period: duration(flags, "start-period")?,
        start_interval: duration(flags, "start-interval")?,
        retries: retries(flags)?,
    })
}

fn retries(flags: &Flags) -> Result<Option<i64>, String> {
    let Some(text) = flags.one("retries") else { return Ok(None) };
    let number =
        text.parse::<i32>().map_err(|error| format!("invalid value {text:?} of --retries: {error}"))?;
    match number {
        0 => Ok(None),
        ..0 => Err(format!("--retries cannot be negative ({number})")),
        1.. => Ok(Some(number.into())),
    }
}

fn duration(flags: &Flags, name: &str) -> Result<Option<i64>, String> {
    let Some(text) = flags.one(name) else { return Ok(None) };
    let duration =
        hull_docker::time::parse_duration(&text).map_err(|why| format!("invalid --{name}: {why}"))?;
    if duration.is_zero() {
        return Ok(None);
    }
    if duration < SHORTEST {
        return Err(format!("Interval {name:?} cannot be less than 1ms"));
    }
    let nanoseconds = i64::try_from(duration.as_nanos());
    nanoseconds.map(Some).map_err(|_| format!("invalid --{name}: {text} is too long"))
}
