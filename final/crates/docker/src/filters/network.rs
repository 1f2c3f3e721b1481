//! Filters of `network ls` (<https://docs.docker.com/reference/cli/docker/network/ls/#filter>).

use super::{FilterError, Filters, Keys};
use crate::wire::network::Network;

const KEYS: Keys =
    Keys { words: &["driver", "label", "scope", "type"], patterns: &["name", "id"], flags: &["dangling"] };

/// The networks that exist without being created by a user.
const BUILT_IN: [&str; 3] = ["bridge", "host", "none"];

#[derive(Debug)]
pub struct NetworkFilters(Filters);

impl NetworkFilters {
    pub fn parse(texts: &[String]) -> Result<Self, FilterError> {
        let filters = Filters::parse(texts, KEYS)?;
        if let Some(value) = filters.values("type").find(|value| !["custom", "builtin"].contains(value)) {
            return Err(format!("invalid filter \"type={value}\": it is custom or builtin").into());
        }
        Ok(Self(filters))
    }

    /// `Some(true)`: only networks that no container uses. `Some(false)`: only those that one uses.
    pub fn dangling(&self) -> Option<bool> {
        self.0.flag("dangling")
    }

    pub fn fit(&self, network: &Network) -> bool {
        let kind = if BUILT_IN.contains(&&*network.name) { "builtin" } else { "custom" };
        self.0.matches("name", &[&network.name])
            && self.0.matches("id", &[&network.id])
            && self.0.any("driver", |driver| driver == network.driver)
            && self.0.any("scope", |scope| scope == network.scope)
            && self.0.any("type", |wanted| wanted == kind)
            && self.0.labels_fit(&network.labels)
    }
}

#[test]
fn every_key_is_compared() {
    let network =
        Network { name: "mine".into(), driver: "bridge".into(), scope: "local".into(), ..Network::default() };
    let fits = |text: &str| NetworkFilters::parse(&[text.into()]).unwrap().fit(&network);
    assert!(fits("name=^mi") && fits("driver=bridge") && fits("scope=local") && fits("type=custom"));
    assert!(!fits("name=other") && !fits("driver=macvlan") && !fits("type=builtin") && !fits("label=a"));
    assert!(NetworkFilters::parse(&["type=x".into()]).is_err());
}
