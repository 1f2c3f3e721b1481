//! Progress as lines of JSON, each a `SolveStatus` of BuildKit's client
//! (<https://github.com/moby/buildkit/blob/master/client/graph.go>), for programs.

use std::io::Write;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hull_build::progress::{Event, Outcome};
use hull_docker::time;
use hull_image::Digest;
use serde::Serialize;

use super::board::{Board, StepState};

#[derive(Default, Serialize)]
struct Status {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    vertexes: Vec<Vertex>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    statuses: Vec<VertexStatus>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logs: Vec<Log>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

#[derive(Serialize)]
struct Vertex {
    digest: Digest,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    inputs: Vec<Digest>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cached: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    error: String,
}

#[derive(Serialize)]
struct VertexStatus {
    id: String,
    vertex: Digest,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
    current: u64,
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed: Option<String>,
}

#[derive(Serialize)]
struct Log {
    vertex: Digest,
    stream: u8,
    data: String,
    timestamp: String,
}

#[derive(Serialize)]
struct Warning {
    vertex: Digest,
    level: u8,
    short: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    range: [Range; 1],
}

#[derive(Serialize)]
struct Range {
    start: Position,
    end: Position,
}

#[derive(Serialize)]
struct Position {
    line: u32,
}

/// The digest by which the lines of one build name a step. BuildKit's is that of the step's definition.
fn digest(board: &Board, id: u32) -> Digest {
    let name = board.get(id).map(|step| step.name.as_str()).unwrap_or_default();
    Digest::of(format!("{id} {name}").as_bytes())
}

fn vertex(board: &Board, step: &StepState) -> Vertex {
    Vertex {
        digest: digest(board, step.id),
        inputs: step.inputs.iter().map(|id| digest(board, *id)).collect(),
        name: step.name.clone(),
        started: step.started.map(time::print),
        completed: step.finished.as_ref().map(|(at, ..)| time::print(*at)),
        cached: matches!(step.outcome(), Some(Outcome::Cached)),
        error: match step.outcome() {
            Some(Outcome::Failed(why)) => why.clone(),
            Some(Outcome::Cancelled) => "context canceled".into(),
            _ => String::new(),
        },
    }
}

/// Writes the line of an event.
pub fn show(out: &mut impl Write, board: &Board, event: &Event, at: Option<usize>, now: SystemTime) {
    let mut status = Status::default();
    let step = at.map(|at| &board.steps[at]);
    match (event, step) {
        (Event::Warning(warning), _) => status.warnings.push(Warning {
            vertex: digest(board, 0),
            level: 1,
            short: base64(format!("{}: {}", warning.rule, warning.message).as_bytes()),
            url: warning.url.clone(),
            range: [Range {
                start: Position { line: warning.span.first },
                end: Position { line: warning.span.last },
            }],
        }),
        (Event::Output { stderr, bytes, .. }, Some(step)) => status.logs.push(Log {
            vertex: digest(board, step.id),
            stream: if *stderr { 2 } else { 1 },
            data: base64(bytes),
            timestamp: time::print(now),
        }),
        (Event::Transferred { what, current, total, .. }, Some(step)) => status.statuses.push(VertexStatus {
            id: what.clone(),
            vertex: digest(board, step.id),
            name: what.clone(),
            total: *total,
            current: *current,
            timestamp: time::print(now),
            completed: None,
        }),
        (Event::Why { reason, .. }, Some(step)) => status.logs.push(Log {
            vertex: digest(board, step.id),
            stream: 2,
            data: base64(format!("why: {reason}\n").as_bytes()),
            timestamp: time::print(now),
        }),
        (_, Some(step)) => status.vertexes.push(vertex(board, step)),
        (_, None) => return,
    }
    let Ok(mut line) = serde_json::to_string(&status) else { return };
    line.push('\n');
    // If stderr is closed, there is nowhere to report that.
    let _ = out.write_all(hull_printable::json(&line).as_bytes());
}

/// How Go writes bytes in JSON.
fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
