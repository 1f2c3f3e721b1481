//! Attributes that are no text: what a variable leaves there becomes a number or a boolean.

use hull_yaml::tree::{Place, Value};

use crate::path::Path;
use crate::sources::Warnings;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cast {
    Integer,
    /// The same; Compose's message names another function.
    Int,
    Float,
    /// Compose holds these with 32 bits.
    Float32,
    Boolean,
}

/// Compose's own list: text at any other path stays text, whatever it looks like.
const CASTS: &[(&str, Cast)] = &[
    ("services.*.cpu_count", Cast::Integer),
    ("services.*.cpu_percent", Cast::Float),
    ("services.*.cpu_period", Cast::Integer),
    ("services.*.cpu_quota", Cast::Integer),
    ("services.*.cpu_rt_period", Cast::Integer),
    ("services.*.cpu_rt_runtime", Cast::Integer),
    ("services.*.cpus", Cast::Float32),
    ("services.*.cpu_shares", Cast::Integer),
    ("services.*.init", Cast::Boolean),
    ("services.*.deploy.replicas", Cast::Int),
    ("services.*.deploy.update_config.parallelism", Cast::Int),
    ("services.*.deploy.update_config.max_failure_ratio", Cast::Float),
    ("services.*.deploy.rollback_config.parallelism", Cast::Int),
    ("services.*.deploy.rollback_config.max_failure_ratio", Cast::Float),
    ("services.*.deploy.restart_policy.max_attempts", Cast::Int),
    ("services.*.deploy.placement.max_replicas_per_node", Cast::Int),
    ("services.*.healthcheck.retries", Cast::Int),
    ("services.*.healthcheck.disable", Cast::Boolean),
    ("services.*.oom_kill_disable", Cast::Boolean),
    ("services.*.oom_score_adj", Cast::Integer),
    ("services.*.pids_limit", Cast::Integer),
    ("services.*.ports.*.target", Cast::Int),
    ("services.*.privileged", Cast::Boolean),
    ("services.*.read_only", Cast::Boolean),
    ("services.*.scale", Cast::Int),
    ("services.*.stdin_open", Cast::Boolean),
    ("services.*.tty", Cast::Boolean),
    ("services.*.ulimits.*", Cast::Int),
    ("services.*.ulimits.*.hard", Cast::Int),
    ("services.*.ulimits.*.soft", Cast::Int),
    ("services.*.volumes.*.read_only", Cast::Boolean),
    ("services.*.volumes.*.volume.nocopy", Cast::Boolean),
    ("networks.*.external", Cast::Boolean),
    ("networks.*.internal", Cast::Boolean),
    ("networks.*.attachable", Cast::Boolean),
    ("networks.*.enable_ipv4", Cast::Boolean),
    ("networks.*.enable_ipv6", Cast::Boolean),
    ("volumes.*.external", Cast::Boolean),
    ("secrets.*.external", Cast::Boolean),
    ("configs.*.external", Cast::Boolean),
];

impl Cast {
    pub(super) fn of(path: &Path<'_>) -> Option<Self> {
        CASTS.iter().find(|(pattern, _)| path.is(pattern)).map(|(_, cast)| *cast)
    }

    pub(super) fn apply(self, text: &str, place: Place, warnings: &mut Warnings) -> Result<Value, String> {
        match self {
            Self::Integer => integer(text, "ParseInt").map(Value::Integer),
            Self::Int => integer(text, "Atoi").map(Value::Integer),
            Self::Float => float(text).map(Value::Float),
            Self::Float32 => float(text).map(|value| Value::Float(single(value))),
            Self::Boolean => boolean(text, place, warnings).map(Value::Bool),
        }
    }
}

/// A decimal number, as Go's `strconv.ParseInt` reads one.
fn integer(text: &str, function: &str) -> Result<i64, String> {
    let why = |why| format!("strconv.{function}: parsing {text:?}: {why}");
    text.parse().map_err(|error: std::num::ParseIntError| match error.kind() {
        std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => {
            why("value out of range")
        }
        _ => why("invalid syntax"),
    })
}

fn float(text: &str) -> Result<f64, String> {
    let value: f64 =
        text.parse().map_err(|_| format!("strconv.ParseFloat: parsing {text:?}: invalid syntax"))?;
    match value.is_infinite() && text.contains(|c: char| c.is_ascii_digit()) {
        true => Err(format!("strconv.ParseFloat: parsing {text:?}: value out of range")),
        false => Ok(value),
    }
}

/// The shortest decimal number that has the same 32 bits: a model prints `0.1` and not `0.10000000149011612`.
fn single(value: f64) -> f64 {
    (value as f32).to_string().parse().unwrap_or(value)
}

/// Compose also takes the words of YAML 1.1.
fn boolean(text: &str, place: Place, warnings: &mut Warnings) -> Result<bool, String> {
    let mut discouraged = |value: bool| {
        let why = format!("{text:?} for boolean is not supported by YAML 1.2, please use `{value}`");
        warnings.add(why, Some(place));
        Ok(value)
    };
    match text.to_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        "y" | "yes" | "on" => discouraged(true),
        "n" | "no" | "off" => discouraged(false),
        _ => Err(format!("invalid boolean: {text}")),
    }
}
