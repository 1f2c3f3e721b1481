//! Filters of `volume ls` (<https://docs.docker.com/reference/cli/docker/volume/ls/#filter>).

use std::collections::BTreeMap;

use super::{FilterError, Filters, Keys};

const KEYS: Keys = Keys { words: &["driver", "label"], patterns: &["name"], flags: &["dangling"] };

#[derive(Debug)]
pub struct VolumeFilters(Filters);

impl VolumeFilters {
    pub fn parse(texts: &[String]) -> Result<Self, FilterError> {
        Filters::parse(texts, KEYS).map(Self)
    }

    /// `Some(true)`: only volumes that no container uses. `Some(false)`: only those that one uses.
    pub fn dangling(&self) -> Option<bool> {
        self.0.flag("dangling")
    }

    /// hull's volumes all have the driver `local`.
    pub fn fit(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        self.0.matches("name", &[name])
            && self.0.labels_fit(labels)
            && self.0.any("driver", |driver| driver == "local")
    }
}

#[test]
fn every_key_is_compared() {
    let labels = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
    let fits = |text: &str| VolumeFilters::parse(&[text.into()]).unwrap().fit("data", &labels);
    assert!(fits("name=at") && fits("label=a=1") && fits("driver=local"));
    assert!(!fits("name=^at") && !fits("label=b") && !fits("driver=nfs"));
    assert_eq!(VolumeFilters::parse(&["dangling=1".into()]).unwrap().dangling(), Some(true));
}
