//! The types of `bollard-stubs`, which are generated from docker's description of API 1.51, as a schema of answers.

use bollard_stubs::models as m;
use serde_json::Value;

use crate::http::Answer;
use crate::masks::matches;

/// An endpoint, and its type: reads a document and writes it again.
struct Schema(&'static str, fn(&Value) -> Result<Value, serde_json::Error>);

fn again<T: serde::Serialize + serde::de::DeserializeOwned>(
    value: &Value,
) -> Result<Value, serde_json::Error> {
    serde_json::to_value(serde_json::from_value::<T>(value.clone())?)
}

/// For a type that cannot be written: the document itself.
fn read<T: serde::de::DeserializeOwned>(value: &Value) -> Result<Value, serde_json::Error> {
    serde_json::from_value::<T>(value.clone()).map(|_| value.clone())
}

#[rustfmt::skip]
const SCHEMAS: &[Schema] = &[
    Schema("GET /version", again::<m::SystemVersion>),
    Schema("GET /info", again::<m::SystemInfo>),
    Schema("GET /events", again::<m::EventMessage>),
    Schema("GET /system/df", again::<m::SystemDataUsageResponse>),
    Schema("POST /auth", again::<m::SystemAuthResponse>),
    Schema("POST /containers/create", again::<m::ContainerCreateResponse>),
    Schema("GET /containers/json", again::<Vec<m::ContainerSummary>>),
    Schema("GET /containers/*/json", again::<m::ContainerInspectResponse>),
    Schema("GET /containers/*/top", again::<m::ContainerTopResponse>),
    Schema("GET /containers/*/changes", again::<Vec<m::FilesystemChange>>),
    Schema("GET /containers/*/stats", again::<m::ContainerStatsResponse>),
    Schema("POST /containers/*/wait", again::<m::ContainerWaitResponse>),
    Schema("POST /containers/*/update", again::<m::ContainerUpdateResponse>),
    Schema("POST /containers/prune", again::<m::ContainerPruneResponse>),
    Schema("POST /containers/*/exec", again::<m::IdResponse>),
    Schema("GET /exec/*/json", again::<m::ExecInspectResponse>),
    Schema("GET /images/json", again::<Vec<m::ImageSummary>>),
    Schema("GET /images/*/json", again::<m::ImageInspect>),
    Schema("GET /images/*/history", again::<Vec<m::HistoryResponseItem>>),
    Schema("DELETE /images/*", again::<Vec<m::ImageDeleteResponseItem>>),
    Schema("POST /images/prune", again::<m::ImagePruneResponse>),
    Schema("POST /images/create", again::<m::CreateImageInfo>),
    Schema("POST /images/*/push", again::<m::PushImageInfo>),
    Schema("POST /images/load", read::<m::BuildInfo>),
    Schema("POST /build", read::<m::BuildInfo>),
    Schema("POST /build/prune", again::<m::BuildPruneResponse>),
    Schema("POST /commit", again::<m::IdResponse>),
    Schema("GET /distribution/*/json", again::<m::DistributionInspect>),
    Schema("POST /networks/create", again::<m::NetworkCreateResponse>),
    Schema("GET /networks", again::<Vec<m::Network>>),
    Schema("GET /networks/", again::<Vec<m::Network>>),
    Schema("GET /networks/*", again::<m::Network>),
    Schema("POST /networks/prune", again::<m::NetworkPruneResponse>),
    Schema("POST /volumes/create", again::<m::Volume>),
    Schema("GET /volumes", again::<m::VolumeListResponse>),
    Schema("GET /volumes/*", again::<m::Volume>),
    Schema("POST /volumes/prune", again::<m::VolumePruneResponse>),
];

pub fn patterns() -> impl Iterator<Item = &'static str> {
    SCHEMAS.iter().map(|Schema(pattern, _)| *pattern)
}

/// Keys that docker sends and does not describe, or describes by another name.
const UNDESCRIBED: &[(&str, &str)] = &[
    ("GET /events", ".from"),
    ("GET /events", ".id"),
    ("GET /events", ".status"),
    ("POST /commit", ".Id"),
    ("POST /containers/*/exec", ".Id"),
    ("POST /images/*/push", ".aux"),
    ("POST /images/*/push", ".id"),
];

/// What an answer has that its type does not, and the endpoint's pattern.
pub fn complaints(endpoint: &str, answer: &Answer) -> Option<(&'static str, Vec<String>)> {
    if !answer.head.header("Content-Type").is_some_and(|kind| kind.starts_with("application/json")) {
        return None;
    }
    let documents = serde_json::Deserializer::from_slice(&answer.body).into_iter::<Value>();
    let documents: Vec<Value> = documents.flatten().collect();
    if answer.head.code() >= 400 {
        let wrong =
            documents.iter().filter_map(|document| unknown("error", again::<m::ErrorResponse>, document));
        return Some(("error", wrong.flatten().collect()));
    }
    let Schema(pattern, again) = SCHEMAS.iter().find(|Schema(pattern, _)| matches(pattern, endpoint))?;
    let wrong = documents.iter().filter_map(|document| unknown(pattern, *again, document));
    Some((pattern, wrong.flatten().collect()))
}

fn unknown(
    pattern: &str,
    again: fn(&Value) -> Result<Value, serde_json::Error>,
    document: &Value,
) -> Option<Vec<String>> {
    // Go's null for a list that was never made.
    if document.is_null() {
        return None;
    }
    let known = match again(document) {
        Ok(known) => known,
        Err(error) => return Some(vec![format!("{error} in {document}")]),
    };
    let mut lines = Vec::new();
    beyond("", document, &known, &mut lines);
    lines.retain(|line| !UNDESCRIBED.iter().any(|(at, key)| *at == pattern && matches(key, line)));
    (!lines.is_empty()).then_some(lines)
}

/// The keys of the first value that the second one lacks.
fn beyond(key: &str, first: &Value, second: &Value, lines: &mut Vec<String>) {
    match (first, second) {
        (Value::Object(first), Value::Object(second)) => {
            for (name, value) in first {
                let key = format!("{key}.{name}");
                match second.get(name) {
                    Some(other) => beyond(&key, value, other, lines),
                    None if value.is_null() => (),
                    None => lines.push(key),
                }
            }
        }
        (Value::Array(first), Value::Array(second)) => {
            for (value, other) in first.iter().zip(second) {
                beyond(&format!("{key}[]"), value, other, lines);
            }
        }
        _ => (),
    }
}
