//! What is wrong with a setting.

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// `near` is the known name that was probably meant, and `choices` are the names that are valid here.
    #[error("unknown {what} {name:?}")]
    Unknown { what: String, name: String, near: Option<String>, choices: Vec<String> },
    #[error("invalid value {value:?} of {name}: {why}")]
    Value { name: String, value: String, why: String },
    #[error("invalid {what}: {why}")]
    Invalid { what: String, why: String },
    /// LXD has this, and hull does not.
    #[error("{name} is not supported: {why}")]
    Unsupported { name: String, why: &'static str },
}

impl Error {
    /// The error for a name that is not among `known`.
    pub fn unknown<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        let near = nearest(known.iter().copied(), name).map(str::to_owned);
        Self::Unknown { what: what.into(), name: name.into(), near, choices: choices(&known, name) }
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

    /// The valid names, if they are few enough for a line or two.
    pub fn choices(&self) -> &[String] {
        match self {
            Self::Unknown { choices, .. } => choices,
            _ => &[],
        }
    }

    /// Whether LXD has what was asked for, and hull does not.
    pub fn is_unsupported(&self) -> bool {
        matches!(self, Self::Unsupported { .. })
    }
}

/// The known names that begin like the typed name, up to its first dot. Empty if there are too many of them to print.
fn choices(known: &[&str], typed: &str) -> Vec<String> {
    const MOST: usize = 24;
    let family = typed.find('.').map_or("", |dot| &typed[..=dot]);
    let names: Vec<String> =
        known.iter().filter(|name| name.starts_with(family)).map(|name| (*name).to_owned()).collect();
    if names.len() > MOST { Vec::new() } else { names }
}

/// The known name that differs from the typed one by one typing error, or by two if the typed name is long.
fn nearest<'a>(known: impl IntoIterator<Item = &'a str>, typed: &str) -> Option<&'a str> {
    let slips = if typed.chars().count() < 7 { 1 } else { 2 };
    let near = known.into_iter().map(|name| (strsim::damerau_levenshtein(name, typed), name));
    near.filter(|(distance, _)| *distance <= slips).min().map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::Error;

    #[test]
    fn an_unknown_name_has_its_family_as_choices() {
        let known = ["limits.cpu", "limits.memory", "user.*"];
        assert_eq!(Error::unknown("key", "limits.foo", known).choices(), ["limits.cpu", "limits.memory"]);
        assert_eq!(Error::unknown("device type", "foo", ["disk", "nic"]).choices(), ["disk", "nic"]);
        assert!(Error::unknown("key", "nope.foo", known).choices().is_empty());
    }
}
