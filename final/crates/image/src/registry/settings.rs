//! `registries.conf`: containers-registries.conf(5), formats 1 and 2.
//!
//! One file is read: `$CONTAINERS_REGISTRIES_CONF`, the user's, or the system's. Then the files in the
//! `registries.conf.d` beside it are added; a later file takes precedence over an earlier one.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::endpoint::{DOCKER, Endpoint};
use super::environment::Environment;
use crate::error::{Error, IoContext, Result};
use crate::reference::Reference;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Settings {
    unqualified_search_registries: Vec<String>,
    registry: Vec<Registry>,
    aliases: BTreeMap<String, String>,
    /// The tables of format 1.
    registries: FormatOne,
    /// Networks whose registries need no certificate, from docker's `insecure-registries`.
    #[serde(skip)]
    insecure_networks: Vec<(IpAddr, u8)>,
}

/// `[registries.search]` and its siblings: containers-registries.conf(5), "VERSION 1 FORMAT".
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FormatOne {
    search: List,
    insecure: List,
    block: List,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct List {
    registries: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Registry {
    prefix: Option<String>,
    location: Option<String>,
    insecure: bool,
    blocked: bool,
    mirror_by_digest_only: bool,
    mirror: Vec<Mirror>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Mirror {
    location: String,
    insecure: bool,
    pull_from_mirror: Option<String>,
}

impl Settings {
    pub(super) fn find(environment: &Environment) -> Result<Self> {
        if let Some(given) = &environment.registries_conf {
            return Self::read(given, None);
        }
        let own = environment.home.as_ref().map(|home| home.join(".config/containers/registries.conf"));
        let system = PathBuf::from("/etc/containers/registries.conf");
        match own.filter(|own| own.exists()) {
            Some(own) => Self::read(&own, Some(&own.with_added_extension("d"))),
            None => Self::read(&system, Some(&system.with_added_extension("d"))),
        }
    }

    fn read(path: &Path, more: Option<&Path>) -> Result<Self> {
        let mut settings = Self::one(path)?;
        let entries = more.into_iter().filter_map(|more| std::fs::read_dir(more).ok()).flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
        paths.sort();
        for path in paths {
            settings.add(Self::one(&path)?);
        }
        Ok(settings)
    }

    fn one(path: &Path) -> Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            text => text.context(|| format!("read {}", path.display()))?,
        };
        let settings: Self = toml::from_str(&text).map_err(|error| Error::Invalid {
            what: format!("file {}", path.display()),
            why: error.to_string().trim().replace('\n', " "),
        })?;
        Ok(settings.in_format_two())
    }

    /// Converts format 1 into format 2.
    fn in_format_two(mut self) -> Self {
        let FormatOne { search, insecure, block } = std::mem::take(&mut self.registries);
        if self.unqualified_search_registries.is_empty() {
            self.unqualified_search_registries = search.registries;
        }
        insecure.registries.into_iter().for_each(|host| self.at(host).insecure = true);
        block.registries.into_iter().for_each(|host| self.at(host).blocked = true);
        self
    }

    /// The registry with this prefix, added if it is missing.
    fn at(&mut self, prefix: String) -> &mut Registry {
        let known = self.registry.iter().position(|registry| registry.prefix() == prefix);
        let at = known.unwrap_or_else(|| {
            self.registry.push(Registry { location: Some(prefix), ..Registry::default() });
            self.registry.len() - 1
        });
        &mut self.registry[at]
    }

    /// Adds the settings of docker's `daemon.json`: URLs of mirrors of Docker Hub, and hosts and networks of registries
    /// without a certificate. Mirrors in registries.conf are asked first.
    pub(super) fn add_dockers(&mut self, mirrors: &[String], insecure: &[String]) -> Result<()> {
        for text in insecure {
            match text.split_once('/') {
                Some((address, prefix)) => match (address.parse(), prefix.parse()) {
                    (Ok(address), Ok(prefix)) => self.insecure_networks.push((address, prefix)),
                    _ => return Err(not_insecure(text)),
                },
                None if text.is_empty() => return Err(not_insecure(text)),
                None => self.at(text.clone()).insecure = true,
            }
        }
        for text in mirrors {
            let (scheme, location) = text.split_once("://").unwrap_or(("https", text));
            let location = location.trim_end_matches('/').to_owned();
            let insecure = scheme == "http" || insecure.contains(&location) || self.is_in_insecure(&location);
            if location.is_empty() || !matches!(scheme, "http" | "https") {
                let what = format!("registry mirror {text:?}");
                return Err(Error::Invalid { what, why: "expected https://HOST[:PORT]".into() });
            }
            self.at(DOCKER.into()).mirror.push(Mirror { location, insecure, pull_from_mirror: None });
        }
        Ok(())
    }

    /// Whether a registry is named by an address in one of these networks.
    fn is_in_insecure(&self, registry: &str) -> bool {
        let host = registry.split('/').next().unwrap_or(registry);
        let address =
            host.parse::<SocketAddr>().map(|socket| socket.ip()).or_else(|_| host.parse::<IpAddr>());
        address.is_ok_and(|address| {
            self.insecure_networks.iter().any(|(network, prefix)| is_within(address, *network, *prefix))
        })
    }

    fn add(&mut self, other: Self) {
        if !other.unqualified_search_registries.is_empty() {
            self.unqualified_search_registries = other.unqualified_search_registries;
        }
        for registry in other.registry {
            self.registry.retain(|known| known.prefix() != registry.prefix());
            self.registry.push(registry);
        }
        self.aliases.extend(other.aliases);
    }

    /// The images that a name may stand for, the likeliest first. A name without a registry is Docker Hub's, unless the
    /// settings have an alias for it or a list of registries to search.
    pub fn candidates(&self, name: &str) -> Result<Vec<Reference>> {
        let reference = Reference::parse(name)?;
        if !Reference::is_short(name) {
            return Ok(vec![reference]);
        }
        let (repository, rest) = name.split_at(name.find([':', '@']).unwrap_or(name.len()));
        if let Some(target) = self.aliases.get(repository).filter(|target| !target.is_empty()) {
            return Ok(vec![Reference::parse(&format!("{target}{rest}"))?]);
        }
        if self.unqualified_search_registries.is_empty() {
            return Ok(vec![reference]);
        }
        let registries = self.unqualified_search_registries.iter();
        registries.map(|registry| Reference::parse(&format!("{registry}/{name}"))).collect()
    }

    /// The registries that `search` asks if none is given.
    pub fn search_registries(&self) -> Vec<String> {
        match self.unqualified_search_registries.as_slice() {
            [] => vec![DOCKER.into()],
            some => some.to_vec(),
        }
    }

    /// The endpoints that are asked for an image: the mirrors first, and the registry itself last.
    pub fn endpoints(&self, reference: &Reference) -> Result<Vec<Endpoint>> {
        let name = reference.canonical();
        let registry = self.registry_for(&name)?;
        let mut endpoints = Vec::new();
        let repository = reference.canonical_repository();
        for mirror in registry.into_iter().flat_map(|registry| &registry.mirror) {
            let (by_digest, registry) = (reference.digest().is_some(), registry.expect("it has a mirror"));
            let fits = match mirror.pull_from_mirror.as_deref() {
                Some("digest-only") => by_digest,
                Some("tag-only") => !by_digest,
                _ => by_digest || !registry.mirror_by_digest_only,
            };
            if fits {
                endpoints.push(registry.endpoint(repository, &mirror.location, mirror.insecure)?);
            }
        }
        endpoints.push(match registry {
            None => Endpoint {
                registry: reference.registry().into(),
                repository: reference.path().into(),
                insecure: self.is_in_insecure(reference.registry()),
            },
            Some(registry) => {
                let location = registry.location.as_deref().unwrap_or(registry.prefix());
                registry.endpoint(repository, location, registry.insecure)?
            }
        });
        Ok(endpoints)
    }

    /// The registry itself, which `push` and `login` use.
    pub fn endpoint(&self, reference: &Reference) -> Result<Endpoint> {
        let mut endpoints = self.endpoints(reference)?;
        Ok(endpoints.pop().expect("the registry itself is always one"))
    }

    /// The endpoint of a registry without a repository.
    pub fn host(&self, registry: &str) -> Result<Endpoint> {
        let found = self.registry_for(registry)?;
        let insecure = found.is_some_and(|found| found.insecure) || self.is_in_insecure(registry);
        Ok(Endpoint { registry: registry.into(), repository: String::new(), insecure })
    }

    /// The registry with the longest matching prefix.
    fn registry_for(&self, name: &str) -> Result<Option<&Registry>> {
        let matching = self.registry.iter().filter(|registry| registry.covers(name));
        let found = matching.max_by_key(|registry| registry.prefix().len());
        match found {
            Some(registry) if registry.blocked => Err(Error::Invalid {
                what: format!("image name {name:?}"),
                why: format!("registries.conf blocks {}", registry.prefix()),
            }),
            found => Ok(found),
        }
    }
}

impl Registry {
    fn prefix(&self) -> &str {
        self.prefix.as_deref().or(self.location.as_deref()).unwrap_or_default()
    }

    fn covers(&self, name: &str) -> bool {
        let prefix = self.prefix();
        if let Some(domain) = prefix.strip_prefix("*.") {
            let host = name.split('/').next().unwrap_or(name);
            return host.len() > domain.len() && host.ends_with(&format!(".{domain}"));
        }
        let rest = name.strip_prefix(prefix).filter(|_| !prefix.is_empty());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', ':', '@']))
    }

    /// The repository with the prefix replaced by a location.
    fn endpoint(&self, repository: &str, location: &str, insecure: bool) -> Result<Endpoint> {
        let moved = match (self.prefix().starts_with("*."), repository.strip_prefix(self.prefix())) {
            // A location would replace all hosts of the domain by one.
            (true, _) => match location.starts_with("*.") || location.is_empty() {
                true => repository.to_owned(),
                false => format!("{location}/{}", repository.split_once('/').map_or("", |(_, path)| path)),
            },
            (false, Some(rest)) => format!("{location}{rest}"),
            (false, None) => location.to_owned(),
        };
        let (registry, path) = moved.split_once('/').ok_or_else(|| Error::Invalid {
            what: format!("location {location:?} in registries.conf"),
            why: "it leaves no repository".into(),
        })?;
        Ok(Endpoint { registry: registry.into(), repository: path.into(), insecure })
    }
}

fn not_insecure(text: &str) -> Error {
    let why = "expected HOST[:PORT] or ADDRESS/PREFIX".into();
    Error::Invalid { what: format!("insecure registry {text:?}"), why }
}

fn is_within(address: IpAddr, network: IpAddr, prefix: u8) -> bool {
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let ((address, length), (network, other)) = (bits(address), bits(network));
    let ignored = 128_u32.saturating_sub(prefix.into());
    length == other && prefix <= length && (address ^ network).checked_shr(ignored).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        unqualified-search-registries = ["docker.io", "quay.io"]
        short-name-mode = "enforcing"
        [aliases]
        "debian" = "mirror.example/debian"
        [[registry]]
        location = "localhost:5000"
        insecure = true
        [[registry]]
        prefix = "docker.io/library"
        location = "inner.example/hub"
        [[registry.mirror]]
        location = "one.example/hub"
        [[registry.mirror]]
        location = "two.example"
        insecure = true
        pull-from-mirror = "digest-only"
        [[registry]]
        prefix = "evil.example"
        blocked = true
        [[registry]]
        prefix = "*.corp"
        insecure = true
    "#;

    fn places(name: &str) -> Vec<String> {
        let settings: Settings = toml::from_str(FILE).unwrap();
        let endpoints = settings.endpoints(&Reference::parse(name).unwrap()).unwrap();
        let shown = |endpoint: &Endpoint| {
            format!(
                "{}/{}{}",
                endpoint.registry,
                endpoint.repository,
                if endpoint.insecure { " !" } else { "" }
            )
        };
        endpoints.iter().map(shown).collect()
    }

    #[test]
    fn mirrors_come_before_the_registry() {
        let digest = format!("debian@sha256:{}", "a".repeat(64));
        for (name, expected) in [
            ("localhost:5000/x", &["localhost:5000/x !"][..]),
            ("localhost:50001/x", &["localhost:50001/x"]),
            ("debian:12", &["one.example/hub/debian", "inner.example/hub/debian"]),
            (&digest, &["one.example/hub/debian", "two.example/debian !", "inner.example/hub/debian"]),
            ("docker.io/other/x", &["docker.io/other/x"]),
            ("a.corp/x", &["a.corp/x !"]),
            ("corp.example/x", &["corp.example/x"]),
        ] {
            assert_eq!(places(name), expected, "{name}");
        }
    }

    #[test]
    fn short_names_are_looked_up() {
        let settings: Settings = toml::from_str(FILE).unwrap();
        for (name, expected) in [
            ("debian:12", &["mirror.example/debian:12"][..]),
            ("alpine", &["docker.io/library/alpine:latest", "quay.io/alpine:latest"]),
            ("team/tool:1", &["docker.io/team/tool:1", "quay.io/team/tool:1"]),
            ("docker.io/team/tool", &["docker.io/team/tool:latest"]),
        ] {
            let found: Vec<_> = settings.candidates(name).unwrap().iter().map(Reference::canonical).collect();
            assert_eq!(found, expected, "{name}");
        }
        let plain = Settings::default().candidates("debian").unwrap();
        assert_eq!(plain[0].canonical(), "docker.io/library/debian:latest");
    }

    #[test]
    fn format_1_is_read_as_format_2() {
        let text = "[registries.search]\nregistries = ['one.example', 'two.example']\n\
                    [registries.insecure]\nregistries = ['localhost:5000']\n\
                    [registries.block]\nregistries = ['evil.example']\n";
        let settings = toml::from_str::<Settings>(text).unwrap().in_format_two();
        let found: Vec<_> = settings.candidates("x").unwrap().iter().map(Reference::canonical).collect();
        assert_eq!(found, ["one.example/x:latest", "two.example/x:latest"]);
        let endpoints = settings.endpoints(&Reference::parse("localhost:5000/x").unwrap()).unwrap();
        assert!(endpoints[0].insecure);
        assert!(settings.endpoints(&Reference::parse("evil.example/x").unwrap()).is_err());
    }

    #[test]
    fn dockers_mirrors_and_insecure_registries_are_added() {
        let mut settings = Settings::default();
        let mirrors = ["https://one.example/".to_owned(), "http://10.1.2.3:5000".into()];
        let insecure = ["localhost:5000".to_owned(), "10.0.0.0/8".into()];
        settings.add_dockers(&mirrors, &insecure).unwrap();
        let shown = |name: &str| {
            let endpoints = settings.endpoints(&Reference::parse(name).unwrap()).unwrap();
            let shown = |at: &Endpoint| format!("{}/{} {}", at.registry, at.repository, at.insecure);
            endpoints.iter().map(shown).collect::<Vec<_>>()
        };
        let hub =
            ["one.example/library/x false", "10.1.2.3:5000/library/x true", "docker.io/library/x false"];
        assert_eq!(shown("x"), hub);
        assert_eq!(shown("localhost:5000/x"), ["localhost:5000/x true"]);
        assert_eq!(shown("10.9.9.9:5000/x"), ["10.9.9.9:5000/x true"]);
        assert_eq!(shown("11.9.9.9:5000/x"), ["11.9.9.9:5000/x false"]);
        assert!(settings.add_dockers(&["ftp://x".into()], &[]).is_err());
        assert!(settings.add_dockers(&[], &["10.0.0.0/x".into()]).is_err());
    }

    #[test]
    fn what_is_blocked_is_refused_with_the_reason() {
        let settings: Settings = toml::from_str(FILE).unwrap();
        let error = settings.endpoints(&Reference::parse("evil.example/x").unwrap()).unwrap_err().to_string();
        assert!(error.contains("blocks evil.example"), "{error}");
    }
}
