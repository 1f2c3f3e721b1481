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
    let retries = flags.one("retries");
    if let Some(text) = &retries {
        let number =
            text.parse::<i32>().map_err(|error| format!("invalid value {text:?} of --retries: {error}"))?;
        if number < 0 {
            return Err(format!("--retries cannot be negative ({number})"));
        }
    }
    Ok(Healthcheck::Check {
        command: command(json, values),
        interval: duration(flags, "interval")?,
        timeout: duration(flags, "timeout")?,
        start_period: duration(flags, "start-period")?,
        start_interval: duration(flags, "start-interval")?,
        retries,
    })
}

fn duration(flags: &Flags, name: &str) -> Result<Option<String>, String> {
    let text = flags.one(name);
    if let Some(text) = &text {
        let duration =
            hull_docker::time::parse_duration(text).map_err(|why| format!("invalid --{name}: {why}"))?;
        if !duration.is_zero() && duration < SHORTEST {
            return Err(format!("Interval {name:?} cannot be less than 1ms"));
        }
    }
    Ok(text)
}
