//! Durations, sizes, shares of processors and file modes.

use super::object::{Decode, Print, serialize, wrong_kind};
use crate::path::Path;
use crate::print::{Form, Tree};
use crate::{Node, Result, Value, duration};

/// Nanoseconds, as Go's `time.Duration`: printed `1m30s`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(pub i64);

impl Duration {
    /// `None` if it is negative.
    pub fn to_std(self) -> Option<std::time::Duration> {
        u64::try_from(self.0).ok().map(std::time::Duration::from_nanos)
    }
}

impl std::fmt::Display for Duration {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str(&duration::print(self.0))
    }
}

impl Print for Duration {
    fn tree(&self, _: Form) -> Tree {
        Tree::String(self.to_string())
    }

    fn is_empty(&self, _: Form) -> bool {
        self.0 == 0
    }
}

serialize!(Duration);

impl Decode for Duration {
    fn decode(node: &Node, path: &Path<'_>) -> Result<Self> {
        let text = super::mapping::text(node, path)?;
        duration::parse(&text).map(Self).ok_or_else(|| {
            path.error(node, format_args!("{text:?} is not a duration"))
                .hint("write something like 10s or 1m30s")
        })
    }
}

/// Bytes, as a number or `64m`; printed as a string with the number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnitBytes(pub i64);

impl Print for UnitBytes {
    fn tree(&self, _: Form) -> Tree {
        Tree::String(self.0.to_string())
    }

    fn is_empty(&self, _: Form) -> bool {
        self.0 == 0
    }
}

serialize!(UnitBytes);

impl Decode for UnitBytes {
    fn decode(node: &Node, path: &Path<'_>) -> Result<Self> {
        match &node.value {
            Value::Integer(bytes) => Ok(Self(*bytes)),
            // Compose ignores it, and a service must have the same hash here.
            Value::Float(_) => Ok(Self(0)),
            Value::String(text) if text == "-1" => {
                Err(path.error(node, "the string \"-1\" is no size").hint("write -1 without quotes"))
            }
            Value::String(text) => match hull_docker::size::parse(&without_underscores(text)) {
                Ok(bytes) => Ok(Self(i64::try_from(bytes).unwrap_or(i64::MAX))),
                Err(why) => Err(path.error(node, why)),
            },
            _ => Err(wrong_kind(node, path, "a size, such as 64m")),
        }
    }
}

/// Go reads `1_000` as 1000.
fn without_underscores(text: &str) -> std::borrow::Cow<'_, str> {
    let separates = |(at, _): (usize, &str)| {
        let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
        is_digit(text.as_bytes()[..at].last()) && is_digit(text.as_bytes().get(at + 1))
    };
    match text.contains('_') && text.match_indices('_').all(separates) {
        true => text.replace('_', "").into(),
        false => text.into(),
    }
}

/// Processors, such as 0.5. (Compose's name says nanoseconds, but it counts whole processors.)
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct NanoCpus(pub f32);

impl Print for NanoCpus {
    fn tree(&self, _: Form) -> Tree {
        Tree::Single(self.0)
    }

    fn is_empty(&self, _: Form) -> bool {
        self.0 == 0.0
    }
}

serialize!(NanoCpus);

impl Decode for NanoCpus {
    fn decode(node: &Node, path: &Path<'_>) -> Result<Self> {
        f32::decode(node, path).map(Self)
    }
}

/// The mode of a file; printed in octal, in a string.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FileMode(pub i64);

impl Print for FileMode {
    fn tree(&self, _: Form) -> Tree {
        Tree::String(format!("0{:o}", self.0))
    }

    fn is_empty(&self, _: Form) -> bool {
        false
    }
}

serialize!(FileMode);

impl Decode for FileMode {
    /// A string is octal, and so is a number that is written `0444` in YAML, which has read it already.
    fn decode(node: &Node, path: &Path<'_>) -> Result<Self> {
        match &node.value {
            Value::Integer(mode) => Ok(Self(*mode)),
            Value::String(text) => u32::from_str_radix(text, 8)
                .map(|mode| Self(mode.into()))
                .map_err(|_| path.error(node, format_args!("{text:?} is not an octal file mode"))),
            _ => Err(wrong_kind(node, path, "an octal file mode")),
        }
    }
}

/// How many devices; -1 is all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeviceCount(pub i64);

impl Print for DeviceCount {
    fn tree(&self, _: Form) -> Tree {
        Tree::Integer(self.0)
    }

    fn is_empty(&self, _: Form) -> bool {
        self.0 == 0
    }
}

serialize!(DeviceCount);

impl Decode for DeviceCount {
    fn decode(node: &Node, path: &Path<'_>) -> Result<Self> {
        match &node.value {
            Value::String(text) if text.eq_ignore_ascii_case("all") => Ok(Self(-1)),
            Value::Integer(count) => Ok(Self(*count)),
            Value::String(text) => text
                .parse()
                .map(Self)
                .map_err(|_| path.error(node, format_args!("{text:?} is neither a number nor \"all\""))),
            _ => Err(wrong_kind(node, path, "a number or \"all\"")),
        }
    }
}
