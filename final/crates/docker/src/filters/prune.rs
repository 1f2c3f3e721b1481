//! Filters of the `prune` verbs (<https://docs.docker.com/reference/cli/docker/system/prune/#filter>).

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::{FilterError, Filters, Keys};

/// The objects that are pruned, each with filters of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pruned {
    /// Containers, networks, and everything together.
    Plain,
    Images,
    Volumes,
}

#[derive(Debug, Default)]
pub struct PruneFilters {
    filters: Filters,
    until: Vec<SystemTime>,
}

impl PruneFilters {
    pub fn parse(texts: &[String], pruned: Pruned, now: SystemTime) -> Result<Self, FilterError> {
        let (words, flags): (&'static [&str], &'static [&str]) = match pruned {
            Pruned::Plain => (&["label", "label!", "until"], &[]),
            Pruned::Images => (&["label", "label!", "until"], &["dangling"]),
            Pruned::Volumes => (&["label", "label!"], &["all"]),
        };
        let filters = Filters::parse(texts, Keys { words, patterns: &[], flags })?;
        Ok(Self { until: filters.until(now)?, filters })
    }

    /// Whether the filters ask for more than is unused by all accounts: images with names (`dangling=false`), volumes
    /// with names (`all=true`).
    pub fn ask_for_all(&self) -> bool {
        self.filters.flag("dangling") == Some(false) || self.filters.flag("all") == Some(true)
    }

    pub fn have_until(&self) -> bool {
        !self.until.is_empty()
    }

    /// `created` is `None` for an object that does not say when it was made; `until` never fits it.
    pub fn fit(&self, labels: &BTreeMap<String, String>, created: Option<SystemTime>) -> bool {
        self.filters.labels_fit(labels)
            && self.until.iter().all(|bound| created.is_some_and(|created| created < *bound))
    }
}

#[test]
fn each_object_has_its_filters() {
    let read = |text: &str, pruned| PruneFilters::parse(&[text.to_owned()], pruned, SystemTime::UNIX_EPOCH);
    for (text, plain, images, volumes) in [
        ("label=a", true, true, true),
        ("label!=a=b", true, true, true),
        ("until=1h", true, true, false),
        ("until=x", false, false, false),
        ("dangling=1", false, true, false),
        ("all=1", false, false, true),
        ("name=a", false, false, false),
    ] {
        let accepted =
            [Pruned::Plain, Pruned::Images, Pruned::Volumes].map(|pruned| read(text, pruned).is_ok());
        assert_eq!(accepted, [plain, images, volumes], "{text}");
    }
    assert!(read("all=1", Pruned::Volumes).unwrap().ask_for_all());
    let labels = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
    assert!(!read("label!=a=b", Pruned::Plain).unwrap().fit(&labels, None));
    assert!(!read("until=1h", Pruned::Plain).unwrap().fit(&labels, None));
}
