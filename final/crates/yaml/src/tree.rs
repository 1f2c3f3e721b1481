//! A document as a tree in which each node knows where it stands.

use std::collections::BTreeMap;

/// Where a node begins. Lines and columns count from one.
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
    /// A tag that is not of the core schema, such as `!reset`.
    pub tag: Option<String>,
}

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
