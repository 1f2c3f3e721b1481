//! Filters of `ps` (<https://docs.docker.com/reference/cli/docker/container/ls/#filter>).

use std::collections::BTreeMap;

use super::ports::PortRange;
use super::{FilterError, Filters, Keys};

const LISTED: Keys = Keys {
    words: &[
        "label", "status", "ancestor", "exited", "before", "since", "volume", "network", "publish", "expose",
        "health",
    ],
    patterns: &["id", "name"],
    flags: &["is-task"],
};

const STATES: [&str; 7] = ["created", "restarting", "running", "removing", "paused", "exited", "dead"];
const HEALTH: [&str; 4] = ["starting", "healthy", "unhealthy", "none"];

/// The properties of a container that filters match.
#[derive(Debug, Clone, Copy)]
pub struct Container<'a> {
    pub id: &'a str,
    pub name: &'a str,
    pub labels: &'a BTreeMap<String, String>,
    pub state: &'a str,
    /// The exit code of a container that has exited.
    pub exit_code: Option<u8>,
    /// `starting`, `healthy`, `unhealthy` or `none`.
    pub health: &'a str,
    /// Volumes, directories of the host, and where they are mounted.
    pub mounts: &'a [&'a str],
    pub networks: &'a [String],
    pub network_ids: &'a [String],
    /// The host's ports, with their protocols.
    pub published: &'a [(u16, &'a str)],
    /// The container's ports, published ones too.
    pub exposed: &'a [(u16, &'a str)],
}

/// Filters of `ps`, except those whose values the caller has to look up: `before`, `since` and `ancestor`.
#[derive(Debug)]
pub struct ContainerFilters {
    filters: Filters,
    publish: Vec<PortRange>,
    expose: Vec<PortRange>,
}

impl ContainerFilters {
    pub fn parse(texts: &[String]) -> Result<Self, FilterError> {
        let filters = Filters::parse(texts, LISTED)?;
        filters.check("status", &STATES)?;
        filters.check("health", &HEALTH)?;
        if let Some(value) = filters.values("exited").find(|value| value.parse::<i32>().is_err()) {
            return Err(format!("invalid filter \"exited={value}\": not an exit code").into());
        }
        let ports = |key: &str| {
            let ranges = filters.values(key).map(PortRange::parse).collect::<Result<Vec<_>, _>>();
            ranges.map_err(|why| format!("invalid filter {key}: {why}"))
        };
        Ok(Self { publish: ports("publish")?, expose: ports("expose")?, filters })
    }

    /// Whether they select states, so that stopped containers are shown without `--all`.
    pub fn say_states(&self) -> bool {
        self.filters.has("status") || self.filters.has("exited")
    }

    /// The values of `before`: the listed containers must be older than these.
    pub fn before(&self) -> impl Iterator<Item = &str> {
        self.filters.values("before")
    }

    /// The values of `since`: the listed containers must be younger than these.
    pub fn since(&self) -> impl Iterator<Item = &str> {
        self.filters.values("since")
    }

    /// The values of `ancestor`: one of these images must be the container's, or below its image.
    pub fn ancestors(&self) -> impl Iterator<Item = &str> {
        self.filters.values("ancestor")
    }

    pub fn fit(&self, one: Container<'_>) -> bool {
        let filters = &self.filters;
        let slashed = format!("/{}", one.name);
        let code = one.exit_code.map(|code| code.to_string());
        filters.matches("id", &[one.id])
            && filters.matches("name", &[one.name, &slashed])
            && filters.labels_fit(one.labels)
            && filters.any("status", |state| one.state == state)
            && filters.any("exited", |wanted| code.as_deref() == Some(wanted))
            && filters.any("health", |health| one.health == health)
            // hull has no swarm.
            && filters.flag("is-task") != Some(true)
            && filters.any("volume", |volume| one.mounts.contains(&volume))
            && filters.any("network", |network| {
                one.networks.iter().any(|name| name == network)
                    || one.network_ids.iter().any(|id| id.starts_with(network))
            })
            && self.ports_fit(one)
    }

    fn ports_fit(&self, one: Container<'_>) -> bool {
        let fits = |ranges: &[PortRange], ports: &[(u16, &str)]| {
            ranges.iter().any(|range| ports.iter().any(|(port, protocol)| range.has(*port, protocol)))
        };
        self.publish.is_empty() && self.expose.is_empty()
            || fits(&self.publish, one.published)
            || fits(&self.expose, one.exposed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(texts: &[&str]) -> bool {
        let texts: Vec<String> = texts.iter().map(|text| text.to_string()).collect();
        ContainerFilters::parse(&texts).unwrap().fit(Container {
            id: "0123",
            name: "web",
            labels: &BTreeMap::from([("a".into(), "1".into())]),
            state: "exited",
            exit_code: Some(3),
            health: "none",
            mounts: &["data", "/data"],
            networks: &["mine".into()],
            network_ids: &["abcdef".into()],
            published: &[(8080, "tcp")],
            exposed: &[(80, "tcp")],
        })
    }

    #[test]
    fn every_key_is_compared() {
        for texts in [
            &["id=012"][..],
            &["name=^/web$"],
            &["label=a=1"],
            &["status=running", "status=exited"],
            &["exited=3"],
            &["health=none", "is-task=false"],
            &["volume=/data"],
            &["network=abc"],
            &["publish=8000-9000"],
            &["expose=80/tcp"],
            &["publish=1", "expose=80"],
        ] {
            assert!(fits(texts), "{texts:?}");
        }
        for texts in [
            &["name=db"][..],
            &["exited=0"],
            &["status=running"],
            &["volume=other"],
            &["publish=80"],
            &["health=healthy"],
            &["expose=80/udp"],
            &["is-task=true"],
            &["name=web", "network=other"],
        ] {
            assert!(!fits(texts), "{texts:?}");
        }
    }

    #[test]
    fn values_are_checked() {
        for wrong in ["status=x", "health=x", "exited=x", "publish=x", "expose=9-8", "colour=blue", "name"] {
            assert!(ContainerFilters::parse(&[wrong.into()]).is_err(), "{wrong}");
        }
    }
}
