//! `Healthcheck`.

use hull_docker::wire::config::Healthcheck;

use super::invalid;
use crate::error::Result;

/// docker's shortest duration: a millisecond, in nanoseconds.
const SHORTEST: i64 = 1_000_000;

/// docker's rules. What is 0 is left to the image.
pub(super) fn checked(asked: Option<Healthcheck>) -> Result<Option<Healthcheck>> {
    let Some(asked) = asked else { return Ok(None) };
    let durations = [
        ("Interval", asked.interval),
        ("Timeout", asked.timeout),
        ("StartPeriod", asked.start_period),
        ("StartInterval", asked.start_interval),
    ];
    for (key, duration) in durations {
        if duration.is_some_and(|duration| duration != 0 && duration < SHORTEST) {
            return Err(invalid(format!("Healthcheck.{key}"), "it cannot be less than 1ms"));
        }
    }
    if asked.retries.is_some_and(|retries| retries < 0) {
        return Err(invalid("Healthcheck.Retries", "it cannot be negative"));
    }
    match asked.test.first().map(String::as_str) {
        None | Some("NONE" | "") => {}
        Some("CMD" | "CMD-SHELL") if asked.test.len() > 1 => {}
        Some("CMD" | "CMD-SHELL") => return Err(invalid("Healthcheck.Test", "it has no command")),
        Some(_) => return Err(invalid("Healthcheck.Test", "it begins with NONE, CMD or CMD-SHELL")),
    }
    Ok(Some(asked))
}
