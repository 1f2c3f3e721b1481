//! Which flags an instruction has.

use super::suggest::with_suggestion;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    Bool,
    One,
    Several,
}

/// The flags of an instruction, checked.
#[derive(Debug, Default)]
pub(super) struct Flags {
    given: Vec<(String, Option<String>)>,
}

impl Flags {
    pub fn parse(given: &[String], known: &[(&str, Takes)]) -> Result<Self, String> {
        let mut flags = Self::default();
        for flag in given {
            let flag = flag.strip_prefix("--").unwrap_or(flag);
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (flag, None),
            };
            let Some((_, takes)) = known.iter().find(|(known, _)| *known == name) else {
                let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
                return Err(with_suggestion(format!("unknown flag: --{name}"), name, &names));
            };
            if *takes != Takes::Several && flags.given.iter().any(|(given, _)| given == name) {
                return Err(format!("duplicate flag specified: --{name}"));
            }
            match (takes, value.as_deref().map(str::to_ascii_lowercase).as_deref()) {
                (Takes::Bool, None | Some("true" | "false")) => {}
                (Takes::Bool, Some(value)) if !value.is_empty() => {
                    return Err(format!("expecting boolean value for flag --{name}, not: {value}"));
                }
                (Takes::Bool, Some(_)) | (_, None) => {
                    return Err(format!("missing a value on flag: --{name}"));
                }
                _ => {}
            }
            flags.given.push((name.into(), value));
        }
        Ok(flags)
    }

    /// The value of a flag. An empty one is as good as none, as in BuildKit.
    pub fn one(&self, name: &str) -> Option<String> {
        self.several(name).pop().filter(|value| !value.is_empty())
    }

    pub fn several(&self, name: &str) -> Vec<String> {
        self.given.iter().filter(|(given, _)| given == name).filter_map(|(_, value)| value.clone()).collect()
    }

    pub fn bool(&self, name: &str) -> Option<bool> {
        let (_, value) = self.given.iter().find(|(given, _)| given == name)?;
        Some(value.as_ref().is_none_or(|value| value.eq_ignore_ascii_case("true")))
    }

    pub fn into_given(self) -> Vec<(String, Option<String>)> {
        self.given
    }
}
