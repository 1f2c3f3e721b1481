//! `--filter KEY=VALUE` of the listings and of `prune`, one file per object
//! (<https://docs.docker.com/engine/cli/filter/>). An object has to match every key, and of each key at least one
//! value.
//!
//! ```text
//! container   ps                        image    images       ports   80/tcp or 8000-8010
//! network     network ls                volume   volume ls    event       events
//! prune       the prune verbs             build_cache   builder prune, builder du
//! search      search                    project  compose ls
//! ```

pub mod build_cache;
pub mod container;
pub mod event;
pub mod image;
pub mod network;
pub mod ports;
pub mod project;
pub mod prune;
pub mod search;
pub mod volume;

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use regex_lite::Regex;

use crate::{bools, time};

/// Why filters are refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilterError {
    UnknownKey { text: String, key: String, keys: Vec<&'static str> },
    Invalid(String),
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey { text, keys, .. } => {
                let keys = keys.join(", ");
                write!(f, "invalid filter {text:?}: expected KEY=VALUE, where KEY is one of {keys}")
            }
            Self::Invalid(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for FilterError {}

impl From<String> for FilterError {
    fn from(why: String) -> Self {
        Self::Invalid(why)
    }
}

impl From<FilterError> for String {
    fn from(error: FilterError) -> Self {
        error.to_string()
    }
}

/// The keys that a list supports.
#[derive(Debug, Clone, Copy)]
pub struct Keys {
    /// Keys whose values are compared exactly.
    pub words: &'static [&'static str],
    /// Keys whose values are regular expressions, which match anywhere in the text unless they are anchored.
    pub patterns: &'static [&'static str],
    /// Keys whose values are booleans.
    pub flags: &'static [&'static str],
}

/// The checked filters of a command line or request.
#[derive(Debug, Default)]
pub struct Filters {
    words: Vec<(String, String)>,
    patterns: Vec<(String, String, Regex)>,
    flags: BTreeMap<String, bool>,
}

impl Filters {
    pub fn parse(texts: &[String], keys: Keys) -> Result<Self, FilterError> {
        let mut filters = Self::default();
        for text in texts {
            filters.add(text, keys)?;
        }
        Ok(filters)
    }

    fn add(&mut self, text: &str, keys: Keys) -> Result<(), FilterError> {
        let unknown = |key: &str| FilterError::UnknownKey {
            text: text.to_owned(),
            key: key.to_owned(),
            keys: [keys.words, keys.patterns, keys.flags].concat(),
        };
        let invalid = |why: String| format!("invalid filter {text:?}: {why}");
        let (key, value) = text.split_once('=').ok_or_else(|| unknown(text))?;
        let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
        let is_of = |list: &[&str]| list.contains(&key.as_str());
        if is_of(keys.flags) {
            let flag = bools::parse(value).map_err(invalid)?;
            // As in docker, a filter that is set to both values is an error.
            if self.flags.insert(key.clone(), flag).is_some_and(|before| before != flag) {
                return Err(invalid(format!("{key} is given as true and as false")).into());
            }
        } else if is_of(keys.patterns) {
            let regex = Regex::new(value);
            let regex = regex.map_err(|error| invalid(format!("not a regular expression: {error}")))?;
            self.patterns.push((key, value.to_owned(), regex));
        } else if is_of(keys.words) {
            self.words.push((key, value.to_owned()));
        } else {
            return Err(unknown(&key));
        }
        Ok(())
    }

    pub fn flag(&self, key: &str) -> Option<bool> {
        self.flags.get(key).copied()
    }

    pub fn has(&self, key: &str) -> bool {
        self.values(key).next().is_some()
    }

    /// The values of a key that is compared exactly.
    pub fn values(&self, key: &str) -> impl Iterator<Item = &str> {
        self.words.iter().filter(move |(own, _)| own == key).map(|(_, value)| value.as_str())
    }

    /// Whether a value of `key` matches. True without a value.
    pub fn any(&self, key: &str, fits: impl Fn(&str) -> bool) -> bool {
        !self.has(key) || self.values(key).any(fits)
    }

    /// Whether a pattern of `key` matches one of `texts`. True without a pattern.
    pub fn matches(&self, key: &str, texts: &[&str]) -> bool {
        let mut own = self.patterns.iter().filter(|(own, ..)| own == key).peekable();
        own.peek().is_none()
            || own.any(|(_, value, regex)| texts.iter().any(|text| value == text || regex.is_match(text)))
    }

    /// Refuses a value of `key` that is not in `allowed`.
    fn check(&self, key: &str, allowed: &[&str]) -> Result<(), String> {
        match self.values(key).find(|value| !allowed.contains(value)) {
            Some(value) => {
                Err(format!("invalid filter \"{key}={value}\": it is one of {}", allowed.join(", ")))
            }
            None => Ok(()),
        }
    }

    /// The times of `until`, which are absolute or durations before `now`.
    fn until(&self, now: SystemTime) -> Result<Vec<SystemTime>, String> {
        let moment = |text: &str| match time::parse_duration(text) {
            Ok(ago) => Ok(now.checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH)),
            Err(_) => time::parse(text, now).map_err(|why| format!("invalid time {text:?}: {why}")),
        };
        self.values("until").map(moment).collect()
    }

    /// All labels have to match: `KEY`, or `KEY=VALUE`.
    pub fn labels_fit(&self, labels: &BTreeMap<String, String>) -> bool {
        self.values("label").all(|wanted| has_label(labels, wanted))
            && !self.values("label!").any(|wanted| has_label(labels, wanted))
    }
}

fn has_label(labels: &BTreeMap<String, String>, wanted: &str) -> bool {
    match wanted.split_once('=') {
        Some((key, value)) => labels.get(key).is_some_and(|own| own == value),
        None => labels.contains_key(wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: Keys =
        Keys { words: &["label", "label!", "driver"], patterns: &["name"], flags: &["dangling"] };

    fn parse(texts: &[&str]) -> Result<Filters, FilterError> {
        Filters::parse(&texts.iter().map(|text| text.to_string()).collect::<Vec<_>>(), KEYS)
    }

    #[test]
    fn of_one_key_any_value_may_fit() {
        let filters = parse(&["name=^web$", "name=^/db", "driver=bridge"]).unwrap();
        assert!(filters.matches("name", &["web"]) && filters.matches("name", &["db", "/db"]));
        assert!(!filters.matches("name", &["web-old", "/web-old"]));
        assert!(filters.any("driver", |driver| driver == "bridge") && filters.any("id", |_| false));
        assert!(parse(&[]).unwrap().matches("name", &["anything"]));
    }

    #[test]
    fn labels_must_all_fit() {
        let labels = BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), String::new())]);
        let fit = |texts: &[&str]| parse(texts).unwrap().labels_fit(&labels);
        assert!(fit(&["label=a", "label=b"]) && fit(&["label=a=1"]) && fit(&["label!=c"]));
        assert!(!fit(&["label=a", "label=c"]) && !fit(&["label=a=2"]) && !fit(&["label!=a"]));
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        assert_eq!(parse(&["Dangling=T"]).unwrap().flag("dangling"), Some(true));
        for wrong in ["name", "colour=blue", "dangling=maybe", "name=["] {
            let why = parse(&[wrong]).unwrap_err().to_string();
            assert!(why.contains(wrong), "{why}");
        }
        assert!(parse(&["dangling=1", "dangling=0"]).is_err());
    }
}
