//! A document as a tree in which each node knows where it stands, with the scalars of Docker Compose's YAML library.
//!
//! ```text
//! timestamp  dates and times, as Go reads and prints them
//! scalar     the value of a scalar, as yaml.v3 resolves it
//! merge      `<<` keys
//! lenient    what YAML forbids and yaml.v3 reads
//! builder    events of the parser become trees
//! ```

mod builder;
mod lenient;
mod merge;
mod scalar;
#[cfg(test)]
mod tests;
mod timestamp;

use std::borrow::Cow;
use std::collections::BTreeMap;

use saphyr_parser::{Parser, ScanError};

use crate::Error;
use builder::Builder;
use lenient::Repairs;

pub use scalar::is_plain_string;

/// How long a text may be, in bytes.
pub const BYTES: usize = 8 << 20;

/// How many nodes the documents of a text may have, with all aliases expanded.
pub const NODES: usize = 500_000;

/// How many bytes of text all scalars and keys may have together, with all aliases expanded.
pub const TEXT: usize = 32 << 20;

/// Where a node begins. Lines and columns count from one, and a column is a character.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The caller's number of the file.
    pub file: u32,
    pub line: u32,
    pub column: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub value: Value,
    pub place: Place,
    /// A tag that is not of the core schema, with its exclamation mark, such as `!reset`. Or [`TIMESTAMP`] or [`UNSIGNED`].
    pub tag: Option<String>,
}

/// The tag of a string that is a date or a time in Go, which prints it without quotes, and which is of no type that the schema
/// of Compose knows. It is as Go prints it: `2001-12-14T00:00:00Z`.
pub const TIMESTAMP: &str = "!!timestamp";

/// The tag of a string of digits that is a whole number above `i64::MAX`.
pub const UNSIGNED: &str = "!!int";

/// The tag of a node which takes away what an earlier file says of its key.
pub const RESET: &str = "!reset";

/// The tag of a node that replaces what an earlier file says of its key, where it would be merged without it.
pub const OVERRIDE: &str = "!override";

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    String(String),
    Sequence(Vec<Node>),
    Mapping(Mapping),
}

/// Compose has no use for the order of keys, and prints them sorted.
pub type Mapping = BTreeMap<String, Entry>;

#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Where the key stands; the node's own place is that of the value.
    pub key: Place,
    pub node: Node,
}

impl Node {
    #[must_use]
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tag.as_deref() == Some(tag)
    }
}

/// The documents of a text, in their order. Aliases are replaced by copies of their nodes, which keep their places, and `<<`
/// keys by the entries that they stand for. Nodes with [`RESET`] and [`OVERRIDE`] are in the tree.
///
/// `file` is the number that all places get.
///
/// # Errors
///
/// The text is not YAML; a mapping has a key twice; a key is not a string; the value of `<<` is not a mapping or a sequence of
/// mappings; a scalar is not of the type of its tag; or a limit is exceeded.
pub fn parse(text: &str, file: u32) -> Result<Vec<Node>, Error> {
    if text.len() > BYTES {
        let why = format!("the file has {} bytes, and may have no more than {BYTES}", text.len());
        return Err(Error { line: 1, column: 1, why });
    }
    let mut repairs = Repairs::default();
    let mut text = Cow::Borrowed(text);
    loop {
        match read(&text, file, &repairs) {
            Ok(documents) => return documents,
            Err(error) => match repairs.apply(&text, &error) {
                Some(repaired) => text = repaired.into(),
                None => return Err(repairs.error(error.marker(), error.info().to_owned())),
            },
        }
    }
}

/// The inner errors are those of the builder.
fn read(text: &str, file: u32, repairs: &Repairs) -> Result<Result<Vec<Node>, Error>, ScanError> {
    let mut builder = Builder::new(text);
    let mut parser = Parser::new_from_str(text);
    while let Some(next) = parser.next_event() {
        let (event, span) = next?;
        // The text is shorter than 2^32 bytes, so no number is cut.
        let number = |number| u32::try_from(number).unwrap_or(u32::MAX);
        let place =
            Place { file, line: number(span.start.line()), column: number(repairs.column(&span.start)) };
        if let Err(why) = builder.take(event, place, span.end.index()) {
            return Ok(Err(repairs.error(&span.start, why)));
        }
    }
    Ok(Ok(builder.finish()))
}
