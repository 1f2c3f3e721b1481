//! The flags of `create`, compared with what docker's own command line makes of them.

use std::collections::BTreeMap;

use anyhow::Result;
use clap::Parser;
use hull_engine::options::CreateOptions;
use serde_json::Value;

use super::{Cli, Command, container, deferred};

const TABLE: &str = include_str!("../../crates/docker/tests/data/create-flags.tsv");

/// The request's JSON with one key for each field: `HostConfig.Memory`, `Endpoints.mine`.
type Fields = BTreeMap<String, Value>;

fn request(flags: &str) -> Result<Fields> {
    let words = flags.split(' ').filter(|word| !word.is_empty()).map(|word| word.replace('␣', " "));
    let line: Vec<String> =
        ["hull", "create"].map(str::to_owned).into_iter().chain(words).chain(["image".to_owned()]).collect();
    let cli = Cli::try_parse_from(&line).or_else(|_| {
        deferred::allow_values_of_booleans();
        Cli::try_parse_from(&line)
    })?;
    let Command::Verb(container::Verb::Create(args)) = cli.command else { panic!("{flags}") };
    let request = args.create.request(false)?;
    // What the engine refuses is refused.
    CreateOptions::try_from(request.clone())?;
    let here = std::env::current_dir()?.display().to_string();
    let parent = here.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned();
    let text = serde_json::to_string(&request)?;
    let text = text.replace(&format!("\"{here}"), "\"/srv/here").replace(&format!("\"{parent}/"), "\"/srv/");
    Ok(fields(&serde_json::from_str(&text)?))
}

fn fields(request: &Value) -> Fields {
    let mut fields = Fields::new();
    for (key, value) in request.as_object().into_iter().flatten() {
        let (prefix, object) = match key.as_str() {
            "HostConfig" => ("HostConfig", value),
            "NetworkingConfig" => ("Endpoints", &value["EndpointsConfig"]),
            _ => {
                fields.insert(key.clone(), clean(value, false));
                continue;
            }
        };
        for (key, value) in object.as_object().into_iter().flatten() {
            fields.insert(format!("{prefix}.{key}"), clean(value, prefix == "Endpoints"));
            // docker sends the mounts of several -v in any order.
            if let Some(Value::Array(binds)) = fields.get_mut("HostConfig.Binds") {
                binds.sort_by_key(ToString::to_string);
            }
        }
    }
    fields
}

/// Without the values inside it that mean that nothing was set, which Go sometimes writes and sometimes leaves out. In an
/// `endpoint` these are also texts and numbers.
fn clean(value: &Value, endpoint: bool) -> Value {
    let is_set = |value: &Value| match value {
        Value::Null => false,
        Value::String(text) => !endpoint || !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::Number(number) => !endpoint || number.as_i64() != Some(0),
        Value::Bool(_) => true,
    };
    match value {
        Value::Object(map) => {
            let cleaned = map.iter().map(|(key, value)| (key.clone(), clean(value, endpoint)));
            Value::Object(cleaned.filter(|(_, value)| is_set(value)).collect())
        }
        Value::Array(list) => Value::Array(list.iter().map(|value| clean(value, endpoint)).collect()),
        other => other.clone(),
    }
}

/// The fields that the flags change.
fn changes(flags: &str) -> Result<Fields> {
    let unchanged = request("")?;
    let mut fields = request(flags)?;
    fields.retain(|key, value| unchanged.get(key) != Some(value));
    Ok(fields)
}

#[test]
fn flags_become_the_request_that_docker_sends() {
    let lines = TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (mut count, mut wrong) = (0, Vec::new());
    for line in lines {
        let columns: Vec<&str> = line.split('\t').collect();
        // Where hull differs, its own answer and the reason follow docker's.
        let (flags, expected) = match columns[..] {
            [flags, docker] => (flags, docker),
            [flags, docker, hull, reason] if docker != hull && !reason.is_empty() => (flags, hull),
            _ => panic!("malformed: {line}"),
        };
        // docker took the variable's value from its environment, as hull does here.
        let own = format!("CARGO_PKG_NAME={}", std::env::var("CARGO_PKG_NAME").unwrap_or_default());
        let expected = &expected.replace("CARGO_PKG_NAME=hull", &own);
        let changes = changes(flags);
        let is_right = match (expected.strip_prefix("error"), &changes) {
            (Some(_), changes) => changes.is_err(),
            (None, Err(_)) => false,
            (None, Ok(changes)) => {
                let expected: Fields = serde_json::from_str(expected).unwrap();
                let expected: Fields = expected
                    .iter()
                    .map(|(key, value)| (key.clone(), clean(value, key.starts_with("Endpoints"))))
                    .collect();
                *changes == expected
            }
        };
        if !is_right {
            let got = match changes {
                Ok(fields) => serde_json::to_string(&fields).unwrap(),
                Err(error) => format!("error: {error:#}"),
            };
            wrong.push(format!("{flags}\n  expected {expected}\n  got      {got}"));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{} of {count} lines:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= 300, "{count}");
}
