//! What is wrong with a setting.

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// `near` is the name that was probably meant.
    #[error("unknown {what} {name:?}")]
    Unknown { what: String, name: String, near: Option<String> },
    #[error("invalid value {value:?} of {name}: {why}")]
    Value { name: String, value: String, why: String },
    #[error("invalid {what}: {why}")]
    Invalid { what: String, why: String },
    /// LXD has it, and hull does not.
    #[error("{name} is not supported: {why}")]
    Unsupported { name: String, why: &'static str },
}

impl Error {
    /// The error for a name that is none of `known`.
    pub fn unknown<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Unknown { what: what.into(), name: name.into(), near: nearest(known, name).map(str::to_owned) }
    }

    pub(crate) fn value(name: &str, value: &str, why: impl Into<String>) -> Self {
        Self::Value { name: name.into(), value: value.into(), why: why.into() }
    }

    pub(crate) fn invalid(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Invalid { what: what.into(), why: why.into() }
    }

    /// The name that was probably meant.
    pub fn near(&self) -> Option<&str> {
        match self {
            Self::Unknown { near, .. } => near.as_deref(),
            _ => None,
        }
    }

    /// Whether LXD has what was asked for, and hull does not.
    pub fn is_unsupported(&self) -> bool {
        matches!(self, Self::Unsupported { .. })
    }
}

/// The name that a slip of the keys or two make of the typed one.
fn nearest<'a>(known: impl IntoIterator<Item = &'a str>, typed: &str) -> Option<&'a str> {
    let slips = if typed.chars().count() < 7 { 1 } else { 2 };
    let near = known.into_iter().map(|name| (strsim::damerau_levenshtein(name, typed), name));
    near.filter(|(distance, _)| *distance <= slips).min().map(|(_, name)| name)
}
