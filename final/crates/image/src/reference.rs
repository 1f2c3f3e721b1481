//! How an image is named: `debian`, `debian:12`, `host:5000/a/b@sha256:…`, by docker's rules.

use crate::digest::Digest;
use crate::error::{Error, Result};
use std::collections::BTreeSet;

const REGISTRY: &str = "docker.io";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Registry and repository: `docker.io/library/debian`.
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// Without tag and digest the tag is `latest`. The grammar is the distribution project's, `reference/reference.go`.
    pub fn parse(text: &str) -> Result<Self> {
        let invalid = |why: &str| Error::Invalid { what: format!("image name {text:?}"), why: why.into() };
        // This could be a name too, but it is always read as an id.
        if text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return Err(invalid("64 hex digits are an image's id, not its name"));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(Digest::parse(digest)?)),
            None => (text, None),
        };
        // A colon before the last slash belongs to a port.
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag.to_owned())),
            _ => (rest, None),
        };
        if tag.as_ref().is_some_and(|tag| !is_tag(tag)) {
            return Err(invalid("a tag is up to 128 letters, digits, '.', '_' and '-'"));
        }
        let (registry, path) = match name.split_once('/') {
            Some((first, path)) if is_registry(first) => (first, path.to_owned()),
            _ => (REGISTRY, name.to_owned()),
        };
        let (registry, path) = match registry {
            // An old name of the registry.
            REGISTRY | "index.docker.io" if !path.contains('/') => (REGISTRY, format!("library/{path}")),
            "index.docker.io" => (REGISTRY, path),
            _ => (registry, path),
        };
        if !is_domain(registry) {
            return Err(invalid("its registry is not a host name with an optional port"));
        }
        if path.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(invalid("a repository name must be lower case"));
        }
        if !path.split('/').all(is_component) {
            return Err(invalid(
                "a repository name is letters and digits, with single separators between them",
            ));
        }
        let repository = format!("{registry}/{path}");
        if repository.len() > 255 {
            return Err(invalid("a repository name has at most 255 characters"));
        }
        let tag = tag.or_else(|| digest.is_none().then(|| "latest".into()));
        Ok(Self { repository, tag, digest })
    }

    /// The full name, with the parts that docker leaves out.
    pub fn canonical(&self) -> String {
        self.shown(&self.repository)
    }

    /// The short name that people write: `debian:12`.
    pub fn familiar(&self) -> String {
        self.shown(&self.familiar_repository())
    }

    pub fn familiar_repository(&self) -> String {
        let short = self.repository.strip_prefix("docker.io/").unwrap_or(&self.repository);
        short.strip_prefix("library/").unwrap_or(short).to_owned()
    }

    /// The registry's name: `docker.io`, `localhost:5000`.
    pub fn registry(&self) -> &str {
        self.repository.split_once('/').map_or(&self.repository, |(registry, _)| registry)
    }

    /// The repository's name in the registry: `library/debian`.
    pub fn path(&self) -> &str {
        self.repository.split_once('/').map_or("", |(_, path)| path)
    }

    pub fn canonical_repository(&self) -> &str {
        &self.repository
    }

    /// `REPOSITORY@DIGEST`, as docker shows it; `None` without a digest.
    pub fn familiar_digest(&self) -> Option<String> {
        Some(format!("{}@{}", self.familiar_repository(), self.digest()?))
    }

    /// Whether a name has no registry.
    pub fn is_short(text: &str) -> bool {
        text.split_once('/').is_none_or(|(first, _)| !is_registry(first))
    }

    /// Whether a name has a tag or a digest.
    pub fn names_tag(text: &str) -> bool {
        text.contains('@') || text.rsplit_once(':').is_some_and(|(_, tag)| !tag.contains('/'))
    }

    pub fn with_tag(&self, tag: &str) -> Result<Self> {
        Self::parse(&format!("{}:{tag}", self.repository))
    }

    /// A reference to a digest in the same repository.
    pub fn by_digest(&self, digest: &Digest) -> Self {
        Self { repository: self.repository.clone(), tag: None, digest: Some(digest.clone()) }
    }

    /// The name of the image in the store. docker's rule: an image that is pulled by digest does not get the tag.
    pub(crate) fn local(&self) -> Self {
        self.digest.as_ref().map_or_else(|| self.clone(), |digest| self.by_digest(digest))
    }

    /// The digest, or else the tag: what a registry is asked for.
    pub(crate) fn wanted(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, tag) => tag.clone().unwrap_or_default(),
        }
    }

    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    fn shown(&self, repository: &str) -> String {
        let tag = self.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
        let digest = self.digest.as_ref().map(|digest| format!("@{digest}")).unwrap_or_default();
        format!("{repository}{tag}{digest}")
    }
}

/// Whether the part before the first slash can only be a host.
fn is_registry(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost" || first.bytes().any(|b| b.is_ascii_uppercase())
}

fn is_tag(tag: &str) -> bool {
    tag.len() <= 128
        && tag.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

fn is_domain(domain: &str) -> bool {
    let (host, port) = match domain.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (domain, None),
    };
    let is_label = |label: &str| {
        label.starts_with(|c: char| c.is_ascii_alphanumeric())
            && label.ends_with(|c: char| c.is_ascii_alphanumeric())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':'),
        None => host.split('.').all(is_label),
    };
    is_host && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether a part consists of runs of letters and digits, separated by one `.`, one or two `_`, or any number of `-`.
fn is_component(part: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let mut separators = part.split(is_letter).filter(|run| !run.is_empty());
    part.starts_with(is_letter)
        && part.ends_with(is_letter)
        && separators.all(|run| matches!(run, "." | "_" | "__") || run.bytes().all(|b| b == b'-'))
}

/// docker's rule: the digests of a repository go with its last tag, except from an image that has no tag at all.
pub(crate) fn digests_of_tags(mut digests: BTreeSet<String>, tags: &[String]) -> BTreeSet<String> {
    let repository = |name: &str| name.rsplit_once(':').map(|(repository, _)| repository.to_owned());
    let tagged: BTreeSet<String> = tags.iter().filter_map(|tag| repository(tag)).collect();
    digests.retain(|digest| {
        let own = digest.split_once('@').map_or(digest.as_str(), |(repository, _)| repository);
        tagged.is_empty() || tagged.contains(own)
    });
    digests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mean_what_docker_means() {
        for (text, canonical, familiar) in [
            ("debian", "docker.io/library/debian:latest", "debian:latest"),
            ("debian:12", "docker.io/library/debian:12", "debian:12"),
            ("a/b", "docker.io/a/b:latest", "a/b:latest"),
            ("localhost/x:1", "localhost/x:1", "localhost/x:1"),
            ("host:5000/a/b", "host:5000/a/b:latest", "host:5000/a/b:latest"),
            ("index.docker.io/debian", "docker.io/library/debian:latest", "debian:latest"),
            ("docker.io/a/b:1", "docker.io/a/b:1", "a/b:1"),
            ("a__b/c--d.e_f:V1", "docker.io/a__b/c--d.e_f:V1", "a__b/c--d.e_f:V1"),
            ("[::1]:5000/x", "[::1]:5000/x:latest", "[::1]:5000/x:latest"),
            ("Host/x", "Host/x:latest", "Host/x:latest"),
            ("localhost:5000", "docker.io/library/localhost:5000", "localhost:5000"),
            ("docker.io/library/debian:12", "docker.io/library/debian:12", "debian:12"),
        ] {
            let reference = Reference::parse(text).unwrap();
            assert_eq!(
                (reference.canonical().as_str(), reference.familiar().as_str()),
                (canonical, familiar)
            );
        }
    }

    #[test]
    fn a_name_is_taken_apart_for_its_registry() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let whole = format!("host:5000/a/b:1@{digest}");
        let short = format!("debian@{digest}");
        for (text, registry, path, wanted, local, is_short, names_tag) in [
            (
                "debian",
                "docker.io",
                "library/debian",
                "latest",
                "docker.io/library/debian:latest",
                true,
                false,
            ),
            ("a/b:1", "docker.io", "a/b", "1", "docker.io/a/b:1", true, true),
            ("localhost/x", "localhost", "x", "latest", "localhost/x:latest", false, false),
            ("host:5000/x", "host:5000", "x", "latest", "host:5000/x:latest", false, false),
            ("index.docker.io/a/b", "docker.io", "a/b", "latest", "docker.io/a/b:latest", false, false),
            (&whole, "host:5000", "a/b", &digest, &format!("host:5000/a/b@{digest}"), false, true),
            (
                &short,
                "docker.io",
                "library/debian",
                &digest,
                &format!("docker.io/library/{short}"),
                true,
                true,
            ),
            (
                "127.0.0.1:1/x/y/z:v-1_2.3",
                "127.0.0.1:1",
                "x/y/z",
                "v-1_2.3",
                "127.0.0.1:1/x/y/z:v-1_2.3",
                false,
                true,
            ),
        ] {
            let name = Reference::parse(text).unwrap();
            assert_eq!(
                (name.registry(), name.path(), name.wanted().as_str()),
                (registry, path, wanted),
                "{text}"
            );
            assert_eq!(name.local().canonical(), local);
            assert_eq!(
                (Reference::is_short(text), Reference::names_tag(text)),
                (is_short, names_tag),
                "{text}"
            );
        }
        let name = Reference::parse("host:5000/x:1").unwrap();
        assert_eq!(name.with_tag("2").unwrap().canonical(), "host:5000/x:2");
        assert!(name.with_tag("a b").is_err());
    }

    #[test]
    fn what_docker_refuses_is_refused() {
        let long = format!("a/{}", "b".repeat(255));
        let id = "ab".repeat(32);
        for text in [
            "",
            "Debian",
            "a//b",
            "a:b:c",
            "a:-x",
            "a@sha256:12",
            "../x",
            "a/../b",
            "a..b",
            "a___b",
            "-a",
            "a-",
            "/a",
            "a/",
            "a/b:",
            ":x",
            "a b",
            "host:port/x",
            "host:/x",
            "-host.x/y",
            "[::1/x",
            "a.b/",
            "a\n",
            &long,
            &id,
        ] {
            assert!(Reference::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn digests_go_with_the_last_tag_of_their_repository() {
        let digests = |tags: &[&str]| {
            let all = ["h:5000/a@sha256:1", "b@sha256:2"].map(str::to_owned).into();
            let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
            digests_of_tags(all, &tags).into_iter().collect::<Vec<_>>()
        };
        assert_eq!(digests(&[]), ["b@sha256:2", "h:5000/a@sha256:1"]);
        assert_eq!(digests(&["b:1", "c:1"]), ["b@sha256:2"]);
        assert_eq!(digests(&["h:5000/a:1"]), ["h:5000/a@sha256:1"]);
        assert_eq!(digests(&["c:1"]), [""; 0]);
    }
}
