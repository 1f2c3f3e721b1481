//! `HEALTHCHECK`, `ONBUILD` and `SHELL`: the instructions whose results only docker's configuration has
//! (<https://docs.docker.com/reference/dockerfile/#healthcheck>).

use crate::config::Healthcheck;

/// docker's shortest duration: a millisecond, in nanoseconds.
const SHORTEST: i64 = 1_000_000;

/// `[--interval=…] CMD …` or `NONE`. An error is the reason alone.
pub(super) fn healthcheck(text: &str) -> Result<Healthcheck, String> {
    let mut check = Healthcheck::default();
    let mut rest = text;
    while let Some(flag) = rest.strip_prefix("--") {
        let (flag, after) = flag.split_once(char::is_whitespace).unwrap_or((flag, ""));
        let (name, value) = flag.split_once('=').ok_or_else(|| format!("--{flag} has no value"))?;
        match name {
            "interval" => check.interval = duration(name, value)?,
            "timeout" => check.timeout = duration(name, value)?,
            "start-period" => check.start_period = duration(name, value)?,
            "start-interval" => check.start_interval = duration(name, value)?,
            "retries" => check.retries = retries(value)?,
            _ => return Err(format!("HEALTHCHECK has no flag --{name}")),
        }
        rest = after.trim_start();
    }
    let (kind, command) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let command = command.trim();
    match kind.to_ascii_uppercase().as_str() {
        "NONE" if !command.is_empty() => Err("HEALTHCHECK NONE takes no arguments".into()),
        // docker forgets the flags, too.
        "NONE" => Ok(Healthcheck { test: vec!["NONE".into()], ..Healthcheck::default() }),
        "CMD" => {
            let words = json_list(command).map(|words| [vec!["CMD".to_owned()], words].concat());
            check.test = words.unwrap_or_else(|| vec!["CMD-SHELL".into(), command.into()]);
            match check.test.get(1).is_none_or(String::is_empty) {
                true => Err("there is no command after HEALTHCHECK CMD".into()),
                false => Ok(check),
            }
        }
        _ => Err("expected HEALTHCHECK NONE or HEALTHCHECK [FLAGS] CMD COMMAND".into()),
    }
}

pub(super) fn json_list(text: &str) -> Option<Vec<String>> {
    text.starts_with('[').then(|| serde_json::from_str(text).ok())?
}

/// Nanoseconds; `None` for 0.
fn duration(name: &str, text: &str) -> Result<Option<i64>, String> {
    let parsed = humantime::parse_duration(text);
    // Go's durations have fractions, and 0 needs no unit.
    let parsed = match (text, parsed) {
        ("" | "0", _) => return Ok(None),
        (_, Ok(duration)) => i64::try_from(duration.as_nanos()).ok(),
        (text, Err(_)) => go_duration(text),
    };
    match parsed {
        Some(0) => Ok(None),
        Some(nanoseconds) if nanoseconds < SHORTEST => Err(format!("--{name} cannot be less than 1ms")),
        Some(nanoseconds) => Ok(Some(nanoseconds)),
        None => Err(format!("--{name}={text} is not a duration: expected something like 10s or 1h30m")),
    }
}

/// One number with a fraction: `1.5s`.
fn go_duration(text: &str) -> Option<i64> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    let duration = std::time::Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
    i64::try_from(duration.as_nanos()).ok()
}

fn retries(text: &str) -> Result<Option<i64>, String> {
    let number: i32 = text.parse().map_err(|_| format!("--retries={text} is not a number"))?;
    match number < 0 {
        true => Err(format!("--retries cannot be negative ({number})")),
        false => Ok(Some(i64::from(number)).filter(|number| *number != 0)),
    }
}

/// An instruction for images that are built on this one.
pub(super) fn trigger(text: &str) -> Result<String, String> {
    let instruction = text.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    match instruction.as_str() {
        "ONBUILD" => Err("ONBUILD cannot trigger ONBUILD".into()),
        "FROM" | "MAINTAINER" => Err(format!("ONBUILD cannot trigger {instruction}")),
        _ => Ok(text.to_owned()),
    }
}

/// The shell of the instructions, which has to be a JSON list.
pub(super) fn shell(text: &str) -> Result<Vec<String>, String> {
    json_list(text).filter(|words| !words.is_empty()).ok_or_else(|| "expected a JSON list".into())
}
