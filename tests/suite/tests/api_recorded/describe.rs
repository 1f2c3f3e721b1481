//! An answer as lines of a key and a value, of which two can be compared key by key.
//!
//! ```text
//! status 200 OK
//! headers usual                        Api-Version, Docker-Experimental: false, Ostype: linux and Server are there
//! Content-Type: application/json       any other header
//! length sized                         Content-Length; chunked; closed: until the connection ends; none
//! .State.Status "running"              a value of the JSON document
//! .Mounts[0] {}                        empty objects and lists have lines of their own
//! line[2].status "Pulling fs layer"    a value of the third document of a stream
//! stdout "hello\n"                     multiplexed frames; adjacent frames of one stream are one line
//! text "OK"                            any other body
//! member etc/passwd file 644 0:0 57    what is in a tar
//! ```
//!
//! What must vary is replaced: `<id>`, `<time>`, `<number>` and so on. `masks.rs` has the keys with values that are never
//! compared.

use std::io::Read;

use base64::Engine as _;
use serde_json::Value;

use crate::http::{Answer, Head, Length};
use crate::masks::{self, Names};

/// What an answer is an answer to.
pub struct Asked<'a> {
    /// `GET /containers/{a}/json`: without the version and the query.
    pub endpoint: &'a str,
    pub names: &'a Names,
    /// What the header Api-Version may say: the newest version of the engine, independent of the version that was asked for.
    pub newest: &'a [&'a str],
}

/// Streams of documents. Their lines are numbered even where there is only one.
pub const STREAMS: [&str; 6] = [
    "POST /images/create",
    "POST /images/*/push",
    "POST /images/load",
    "POST /build",
    "GET /events",
    "GET /containers/*/stats",
];

/// Lists without an order of their own.
const UNORDERED: [&str; 7] = [
    "GET /networks/",
    "GET /containers/*/changes",
    "GET /networks",
    "GET /images/json",
    "GET /volumes",
    "GET /system/df",
    "GET /images/search",
];

pub fn describe(asked: &Asked<'_>, answer: &Answer) -> Vec<String> {
    let mut lines = head(asked, &answer.head);
    if !answer.complete {
        lines.push("length broken".into());
    }
    lines.extend(body(asked, answer));
    lines
}

fn head(asked: &Asked<'_>, head: &Head) -> Vec<String> {
    let mut lines = vec![format!("status {}", head.status)];
    let is_usual = |name: &str, value: &str| match name {
        "Api-Version" => asked.newest.contains(&value),
        "Docker-Experimental" => value == "false",
        "Ostype" => value == "linux",
        "Server" => value.contains('/') && value.ends_with("(linux)"),
        _ => false,
    };
    let usual: Vec<_> = head.headers.iter().filter(|(name, value)| is_usual(name, value)).collect();
    if usual.len() == 4 {
        lines.push("headers usual".into());
    }
    let mut others = Vec::new();
    for (name, value) in &head.headers {
        if usual.len() == 4 && is_usual(name, value) {
            continue;
        }
        match name.as_str() {
            "Date" | "Content-Length" | "Transfer-Encoding" => (),
            "Server" => others.push("Server: <name>/<version> (linux)".into()),
            "X-Docker-Container-Path-Stat" => {
                let json = base64::engine::general_purpose::STANDARD.decode(value).ok();
                match json.and_then(|json| serde_json::from_slice::<Value>(&json).ok()) {
                    Some(stat) => flatten(asked, &format!("{name}:"), &stat, &mut others),
                    None => others.push(format!("{name}: {value:?}")),
                }
            }
            _ => others.push(format!("{name}: {}", asked.names.replace(value))),
        }
    }
    others.sort();
    lines.extend(others);
    lines.push(match head.length() {
        Length::None => "length none".into(),
        Length::Sized(0) => "length zero".into(),
        Length::Sized(_) => "length sized".into(),
        Length::Chunked => "length chunked".into(),
        Length::UntilClosed => "length closed".into(),
    });
    lines
}

fn body(asked: &Asked<'_>, answer: &Answer) -> Vec<String> {
    let kind = answer.head.header("Content-Type").unwrap_or_default();
    let mut lines = Vec::new();
    let is_stream =
        answer.head.code() < 300 && STREAMS.iter().any(|pattern| masks::matches(pattern, asked.endpoint));
    if answer.body.is_empty() {
        return lines;
    }
    if let Some(frames) = frames(&answer.body) {
        for (stream, bytes) in frames {
            lines.push(format!("{stream} {}", text(asked, &bytes)));
        }
        return lines;
    }
    let documents: Result<Vec<Value>, _> =
        serde_json::Deserializer::from_slice(&answer.body).into_iter().collect();
    match documents {
        Ok(documents) if is_stream || kind.starts_with("application/json") => {
            if !is_stream && documents.len() == 1 {
                flatten(asked, "", &documents[0], &mut lines);
            } else {
                stream(asked, documents, &mut lines);
            }
        }
        _ if answer.body.len() >= 512 && answer.body.get(257..262) == Some(b"ustar") => {
            lines.extend(members(asked, &answer.body));
        }
        _ => lines.push(format!("text {}", text(asked, &answer.body))),
    }
    lines
}

fn text(asked: &Asked<'_>, bytes: &[u8]) -> String {
    let text = asked.names.replace(&String::from_utf8_lossy(bytes));
    if text.len() > 2000 {
        return format!("<{} bytes>", bytes.len());
    }
    format!("{text:?}")
}

/// Progress is left out: how often it is reported depends on the machine.
fn stream(asked: &Asked<'_>, documents: Vec<Value>, lines: &mut Vec<String>) {
    let mut before = Vec::new();
    let mut number = 0;
    for mut document in documents {
        if let Some(object) = document.as_object_mut() {
            if object
                .get("progressDetail")
                .is_some_and(|detail| detail.get("total").is_some() || detail.get("current").is_some())
            {
                object.insert("progressDetail".into(), "<progress>".into());
            }
            // The size of the manifest, whose format is the engine's.
            if let Some(Value::String(status)) = object.get_mut("status")
                && let Some((digest, _)) =
                    status.split_once(" size: ").filter(|(digest, _)| digest.contains("sha256:"))
            {
                *status = format!("{digest} size: <number>");
            }
            if let Some(progress) = object.get_mut("progress") {
                *progress = "<progress>".into();
            }
        }
        let mut own = Vec::new();
        flatten(asked, "", &document, &mut own);
        if own != before {
            lines.extend(own.iter().map(|line| format!("line[{number}]{line}")));
            number += 1;
        }
        before = own;
    }
}

/// The frames of a multiplexed stream.
fn frames(mut bytes: &[u8]) -> Option<Vec<(&'static str, Vec<u8>)>> {
    let mut found: Vec<(&'static str, Vec<u8>)> = Vec::new();
    while !bytes.is_empty() {
        let (head, rest) = bytes.split_at_checked(8)?;
        let name = match head[..4] {
            [0, 0, 0, 0] => "stdin",
            [1, 0, 0, 0] => "stdout",
            [2, 0, 0, 0] => "stderr",
            [3, 0, 0, 0] => "system-error",
            _ => return None,
        };
        let size = u32::from_be_bytes(head[4..].try_into().ok()?) as usize;
        let (content, rest) = rest.split_at_checked(size)?;
        match found.last_mut() {
            Some((last, all)) if *last == name => all.extend(content),
            _ => found.push((name, content.to_vec())),
        }
        bytes = rest;
    }
    Some(found)
}

fn members(asked: &Asked<'_>, bytes: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(bytes);
    let mut lines = Vec::new();
    for entry in archive.entries().into_iter().flatten() {
        let Ok(mut entry) = entry else {
            lines.push("member <broken>".into());
            break;
        };
        let header = entry.header();
        let kind = format!("{:?}", header.entry_type()).to_lowercase();
        let (mode, uid, gid) = (header.mode(), header.uid(), header.gid());
        let numbers = [uid, gid].map(|id| id.map_or("?".into(), |id| id.to_string())).join(":");
        let mode = mode.map_or("?".into(), |mode| format!("{:o}", mode & 0o7777));
        let link = entry.link_name().ok().flatten().map(|link| format!(" to {}", link.display()));
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let mut content = Vec::new();
        let _ = entry.by_ref().take(64).read_to_end(&mut content);
        let size = entry.size();
        let shown = match kind.as_str() {
            "regular" if size < 64 => format!(" {}", text(asked, &content)),
            "regular" => " <bytes>".to_owned(),
            _ => String::new(),
        };
        let path = asked.names.replace(&path).replace(' ', "%20");
        lines.push(format!("member {path} {kind} {mode} {numbers}{}{shown}", link.unwrap_or_default()));
    }
    lines.sort();
    lines
}

/// One line for each value that is not a list or object.
fn flatten(asked: &Asked<'_>, key: &str, value: &Value, lines: &mut Vec<String>) {
    if let Some(mask) = masks::mask(asked.endpoint, key, value) {
        lines.push(format!("{} {mask}", if key.is_empty() { "." } else { key }));
        return;
    }
    match value {
        Value::Object(object) if !object.is_empty() => {
            let mut parts: Vec<(String, &Value)> =
                object.iter().map(|(name, value)| (asked.names.replace(name), value)).collect();
            parts.sort_by(|one, other| one.0.cmp(&other.0));
            for (name, value) in parts {
                flatten(asked, &format!("{key}{}", segment(&name)), value, lines);
            }
        }
        Value::Array(list) if list.iter().any(is_on_any_ipv6_address) => {
            let others = list.iter().filter(|element| !is_on_any_ipv6_address(element)).cloned().collect();
            flatten(asked, key, &Value::Array(others), lines);
        }
        Value::Array(list) if !list.is_empty() => {
            let unordered = UNORDERED.iter().any(|pattern| masks::matches(pattern, asked.endpoint));
            if !unordered && !masks::is_set(key) {
                for (index, element) in list.iter().enumerate() {
                    flatten(asked, &format!("{key}[{index}]"), element, lines);
                }
                return;
            }
            let beginning = format!("{key}[]");
            let of_element = |element: &Value| {
                let mut own = Vec::new();
                flatten(asked, &beginning, element, &mut own);
                own
            };
            let mut elements: Vec<Vec<String>> = list.iter().map(of_element).collect();
            // By name, because everything else may vary.
            let name = |element: &[String]| {
                let of =
                    |key: &str| element.iter().find(|line| line[beginning.len()..].starts_with(key)).cloned();
                [".Name", ".RepoTags[0]", ".Destination", ".Id"].iter().find_map(|key| of(key))
            };
            elements.sort_by_key(|element| (name(element), element.clone()));
            for (index, element) in elements.into_iter().enumerate() {
                let rests = element.iter().map(|line| &line[beginning.len()..]);
                lines.extend(rests.map(|rest| format!("{key}[{index}]{rest}")));
            }
        }
        _ => {
            let shown = match value {
                Value::String(text) => Value::String(asked.names.replace(text)).to_string(),
                other => other.to_string(),
            };
            lines.push(format!("{} {shown}", if key.is_empty() { "." } else { key }));
        }
    }
}

/// dockerd publishes a port on all IPv4 and all IPv6 addresses. Whether it shows the latter depends on its version, on its
/// proxy and on the machine.
fn is_on_any_ipv6_address(element: &Value) -> bool {
    ["IP", "HostIp"].iter().any(|key| element.get(key).is_some_and(|address| address == "::"))
}

fn segment(name: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
    match !name.is_empty() && name.chars().all(plain) {
        true => format!(".{name}"),
        false => format!(".\"{}\"", name.replace(' ', "%20")),
    }
}

/// A line's key and value.
pub fn split(line: &str) -> (String, String) {
    // The members of a tar and headers have keys of two words.
    let from = if line.starts_with("member ") { 7 } else { 0 };
    match line[from..].find(' ') {
        Some(at) => (line[..from + at].to_owned(), line[from + at + 1..].to_owned()),
        None => (line.to_owned(), String::new()),
    }
}
