//! Filters of `images` (<https://docs.docker.com/reference/cli/docker/image/ls/#filter>).

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::{FilterError, Filters, Keys};

const KEYS: Keys = Keys {
    words: &["reference", "label", "label!", "before", "since", "until"],
    patterns: &[],
    flags: &["dangling"],
};

/// Filters of `images`, except those whose values the caller has to look up: `before` and `since`.
#[derive(Debug)]
pub struct ImageFilters {
    filters: Filters,
    until: Vec<SystemTime>,
}

impl ImageFilters {
    pub fn parse(texts: &[String], now: SystemTime) -> Result<Self, FilterError> {
        let filters = Filters::parse(texts, KEYS)?;
        Ok(Self { until: filters.until(now)?, filters })
    }

    /// The values of `before`: the listed images must be older than these.
    pub fn before(&self) -> impl Iterator<Item = &str> {
        self.filters.values("before")
    }

    /// The values of `since`: the listed images must be younger than these.
    pub fn since(&self) -> impl Iterator<Item = &str> {
        self.filters.values("since")
    }

    pub fn fit(
        &self,
        has_name: bool,
        labels: &BTreeMap<String, String>,
        created: Option<SystemTime>,
    ) -> bool {
        self.filters.flag("dangling").is_none_or(|wanted| wanted != has_name)
            && self.filters.labels_fit(labels)
            && self.until.iter().all(|bound| created.is_some_and(|created| created < *bound))
    }

    pub fn have_references(&self) -> bool {
        self.filters.has("reference")
    }

    /// Whether a pattern of `reference` matches. True without a pattern.
    pub fn name_fits(&self, name: &str) -> bool {
        self.filters.any("reference", |pattern| refers(pattern, name))
    }
}

/// Whether the pattern matches this name or its repository. `*` and `?` do not match a slash.
pub fn refers(pattern: &str, name: &str) -> bool {
    let repository = match name.split_once('@') {
        Some((repository, _)) => repository,
        None => name.rsplit_once(':').map_or(name, |(repository, _)| repository),
    };
    name == pattern
        || matches(pattern.as_bytes(), name.as_bytes())
        || matches(pattern.as_bytes(), repository.as_bytes())
}

fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => {
            matches(rest, text)
                || text.split_first().is_some_and(|(first, text)| *first != b'/' && matches(pattern, text))
        }
        ([b'?', rest @ ..], [first, text @ ..]) => *first != b'/' && matches(rest, text),
        ([one, rest @ ..], [first, text @ ..]) => one == first && matches(rest, text),
        _ => false,
    }
}

#[test]
fn a_star_ends_at_a_slash() {
    for (pattern, name, fits) in [
        ("debian", "debian:12", true),
        ("debian:*", "debian:12", true),
        ("deb*", "debian:12", true),
        ("*", "team/tool:1", false),
        ("*/*", "team/tool:1", true),
        ("team/t??l", "team/tool:1", true),
        ("tool", "team/tool:1", false),
    ] {
        assert_eq!(refers(pattern, name), fits, "{pattern} {name}");
    }
}
