//! What a Dockerfile offers to a caller, without building it: `build --call outline` and `--call targets`.
//!
//! The JSON form is BuildKit's (`frontend/subrequests/outline` and `targets`). Base images are not looked at: variables
//! that one sets are not set here, and what it does ONBUILD is not seen.

mod collect;
#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

pub use collect::outline;

use crate::dockerfile::{Dockerfile, Kind, Span};

/// The stages of a Dockerfile.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Targets {
    pub targets: Vec<Target>,
    pub sources: Vec<Source>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Target {
    /// Empty if it has none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// It is built if the caller names none: it is the last.
    #[serde(skip_serializing_if = "is_false")]
    pub default: bool,
    /// From a comment above it: `# name description`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// As written.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub base: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub platform: String,
    pub location: Location,
}

/// What a caller can give to one target.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Outline {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<Arg>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<Needed>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ssh: Vec<Needed>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cache: Vec<CacheMount>,
    pub sources: Vec<Source>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Arg {
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The value that it would have: the caller's, or the default.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
    pub location: Location,
}

/// A secret or an agent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Needed {
    pub name: String,
    #[serde(skip_serializing_if = "is_false")]
    pub required: bool,
    pub location: Location,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CacheMount {
    #[serde(rename = "ID")]
    pub id: String,
    pub location: Location,
}

/// The text of the Dockerfile. In JSON it is in base64.
#[derive(Debug, Clone, PartialEq)]
pub struct Source(pub String);

impl Serialize for Source {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

/// The lines of an instruction. In JSON each line is a range of its own, as in BuildKit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Location(pub Span);

impl Default for Location {
    fn default() -> Self {
        Self(Span { first: 1, last: 1 })
    }
}

impl Serialize for Location {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Position {
            line: u32,
        }
        #[derive(Serialize)]
        struct Range {
            start: Position,
            end: Position,
        }
        #[derive(Serialize)]
        struct Ranges {
            ranges: Vec<Range>,
        }
        let lines = self.0.first..=self.0.last;
        let range = |line| Range { start: Position { line }, end: Position { line } };
        Ranges { ranges: lines.map(range).collect() }.serialize(serializer)
    }
}

/// The stages of a file, in order.
pub fn targets(file: &Dockerfile) -> Targets {
    let stages = file.instructions.iter().filter_map(|instruction| match &instruction.kind {
        Kind::From(from) => Some((instruction, from)),
        _ => None,
    });
    let mut targets: Vec<Target> = stages
        .map(|(instruction, from)| {
            let name = from.name.clone().unwrap_or_default();
            Target {
                description: description(&instruction.comments, &name),
                name,
                default: false,
                base: from.image.clone(),
                platform: from.platform.clone().unwrap_or_default(),
                location: Location(instruction.span),
            }
        })
        .collect();
    if let Some(last) = targets.last_mut() {
        last.default = true;
    }
    Targets { targets, sources: vec![Source(file.text.clone())] }
}

/// The rest of the first comment line that begins with the name and a blank.
fn description(comments: &[String], name: &str) -> String {
    let mut described = comments.iter().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    if name.is_empty() { String::new() } else { described.next().unwrap_or_default().into() }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_false(value: &bool) -> bool {
    !value
}
