//! YAML as JSON, and as trees for compose files. No I/O.
//!
//! ```text
//! limits   what a value may consist of
//! scalar   the value of a scalar, by the core schema of YAML 1.2
//! builder  events of the parser become one value
//! tree     the same with places, tags and Compose's scalars
//! ```
//!
//! A text of a few hundred bytes can stand for gigabytes, as an alias may stand for a node that has aliases. So the limits
//! are on the value, and an alias is paid for before its node is copied.

mod builder;
mod limits;
mod scalar;
#[cfg(test)]
mod tests;
pub mod tree;

use saphyr_parser::{Marker, Parser};
use serde_json::Value;

use builder::Builder;

/// How deep sequences and mappings may be nested: as deep as serde_json lets them be in JSON.
pub const DEPTH: usize = 128;

/// How many scalars, sequences and mappings a document may have, with all aliases expanded.
pub const NODES: usize = 100_000;

/// How many bytes of text all scalars of a document may have together, with all aliases expanded.
pub const TEXT: usize = 16 << 20;

/// What is wrong, and where. Lines and columns count from one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why} at line {line} column {column}")]
pub struct Error {
    pub line: usize,
    pub column: usize,
    pub why: String,
}

impl Error {
    fn at(place: &Marker, why: String) -> Self {
        Self { line: place.line(), column: place.col() + 1, why }
    }
}

/// The value of a text that holds one document.
///
/// # Errors
///
/// The text is not YAML 1.2; it holds no document or several; a mapping has a key twice; a key is a sequence, a mapping or
/// null; a tag is not of the core schema; a number is none of JSON's; or the value is over one of the limits.
pub fn parse(text: &str) -> Result<Value, Error> {
    let mut builder = Builder::default();
    let mut parser = Parser::new_from_str(text);
    while let Some(next) = parser.next_event() {
        let (event, span) = next.map_err(|error| Error::at(error.marker(), error.info().to_owned()))?;
        builder.take(event).map_err(|why| Error::at(&span.start, why))?;
    }
    builder.finish().ok_or_else(|| Error { line: 1, column: 1, why: "there is no document".into() })
}
