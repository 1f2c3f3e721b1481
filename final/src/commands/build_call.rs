//! `build --check` and `build --call`: what a Dockerfile says, without building it.

use anyhow::Result;
use hull_build::lint::hadolint::Configuration;
use hull_build::lint::{Severity, Warning};
use hull_build::request::Request;
use hull_build::solve;
use hull_docker::flags::build_call::{Call, Method};
use hull_engine::Engine;
use serde::{Deserialize, Serialize};

use crate::ui::build::{check, outline};
use crate::ui::output;

/// Does what `--call` asks for. The method is not [`Method::Build`].
///
/// The exit code is docker's: 1 if one of BuildKit's checks warns. hadolint's rules change it only where the context has
/// a `.hadolint.yaml`, so that a line that passes with docker passes with hull.
pub fn call(engine: &Engine, request: &Request, call: Call) -> Result<u8> {
    match call.method {
        Method::Outline => {
            let found = solve::outline(engine, request, &mut std::io::stdin())?;
            print(call, &found, outline::outline)?;
            return Ok(0);
        }
        Method::Targets => {
            let found = solve::targets(engine, request, &mut std::io::stdin())?;
            print(call, &found, outline::targets)?;
            return Ok(0);
        }
        Method::Build | Method::Check => {}
    }
    let checked = solve::check(engine, request, &mut std::io::stdin(), &configuration)?;
    match call.json {
        true => output::pretty(&check::json(&checked.file, &checked.report))?,
        false => output::text(&check::text(&checked.file, &checked.report))?,
    }
    if call.ignores_status {
        return Ok(0);
    }
    if let Some(error) = checked.report.error() {
        return Err(error.into());
    }
    let threshold = checked.hadolint.threshold;
    let fails = |warning: &Warning| {
        !warning.is_of_hadolint() || threshold.is_some_and(|threshold| warning.severity <= threshold)
    };
    Ok(u8::from(checked.report.warnings.iter().any(fails)))
}

fn print<T: Serialize>(call: Call, found: &T, text: impl Fn(&T) -> String) -> Result<()> {
    if call.json { output::pretty(found) } else { output::text(&text(found)) }
}

/// The keys of `.hadolint.yaml` that hull knows
/// (<https://github.com/hadolint/hadolint#configure>).
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct File {
    ignored: Vec<String>,
    r#override: Levels,
    trusted_registries: Vec<String>,
    #[serde(rename = "failure-threshold")]
    failure_threshold: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Levels {
    error: Vec<String>,
    warning: Vec<String>,
    info: Vec<String>,
    style: Vec<String>,
}

/// Parses a `.hadolint.yaml`.
fn configuration(text: &[u8]) -> hull_build::Result<Configuration> {
    let invalid = |why: String| hull_build::Error::Invalid { what: ".hadolint.yaml".into(), why };
    let text = std::str::from_utf8(text).map_err(|error| invalid(error.to_string()))?;
    let value = hull_yaml::parse(text).map_err(|error| invalid(error.to_string()))?;
    let file: File = serde_json::from_value(value).map_err(|error| invalid(error.to_string()))?;
    let levels = [
        (Severity::Error, file.r#override.error),
        (Severity::Warning, file.r#override.warning),
        (Severity::Info, file.r#override.info),
        (Severity::Style, file.r#override.style),
    ];
    let levels =
        levels.into_iter().flat_map(|(level, rules)| rules.into_iter().map(move |rule| (rule, level)));
    let threshold = match file.failure_threshold.as_deref() {
        None => Some(Severity::Info),
        Some("error") => Some(Severity::Error),
        Some("warning") => Some(Severity::Warning),
        Some("info") => Some(Severity::Info),
        Some("style") => Some(Severity::Style),
        Some("none") => None,
        Some(other) => return Err(invalid(format!("there is no failure-threshold {other:?}"))),
    };
    Ok(Configuration {
        ignored: file.ignored.into_iter().collect(),
        levels: levels.collect(),
        registries: file.trusted_registries,
        threshold,
    })
}

/// The method that the flags choose.
pub fn method(check: bool, call: Option<&str>) -> Result<Call> {
    use crate::cli::values::read_if_given;
    use hull_docker::flags::build_call::parse;
    let given = read_if_given("--call", call, parse)?;
    Ok(match check {
        true => Call { method: Method::Check, ..Call::default() },
        false => given.unwrap_or_default(),
    })
}

#[test]
fn a_configuration_of_hadolint_is_read() {
    let text = b"ignored: [DL3006]\noverride:\n  error: [DL3008]\ntrustedRegistries:\n  - docker.io\nfailure-threshold: error\nno-color: true\n";
    let read = configuration(text).unwrap();
    assert!(read.ignored.contains("DL3006") && read.levels["DL3008"] == Severity::Error);
    assert_eq!((read.registries.len(), read.threshold), (1, Some(Severity::Error)));
    assert!(configuration(b"ignored: 3").is_err() && configuration(b"failure-threshold: x").is_err());
}
