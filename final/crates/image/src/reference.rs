//! How an image is named: `debian`, `debian:12`, `host:5000/a/b@sha256:…`, by docker's rules.

use crate::digest::Digest;
use crate::error::{Error, Result};

const REGISTRY: &str = "docker.io";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Registry and repository: `docker.io/library/debian`.
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// Without tag and digest the tag is `latest`.
    pub fn parse(text: &str) -> Result<Self> {
        let invalid = |why: &str| Error::Invalid { what: format!("image name {text:?}"), why: why.into() };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(Digest::parse(digest)?)),
            None => (text, None),
        };
        // A colon before the last slash belongs to a port.
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag.to_owned())),
            _ => (rest, None),
        };
        let is_tag = |tag: &String| {
            tag.len() <= 128
                && tag.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
                && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        if tag.as_ref().is_some_and(|tag| !is_tag(tag)) {
            return Err(invalid("a tag has letters, digits, '.', '_' and '-'"));
        }
        let (registry, path) = match name.split_once('/') {
            Some((first, path)) if first.contains(['.', ':']) || first == "localhost" => {
                (first, path.to_owned())
            }
            _ if name.contains('/') => (REGISTRY, name.to_owned()),
            _ => (REGISTRY, format!("library/{name}")),
        };
        let is_component = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                && part.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
        };
        if !path.split('/').all(is_component) {
            return Err(invalid("a repository name is lower case letters, digits and separators"));
        }
        let tag = tag.or_else(|| digest.is_none().then(|| "latest".into()));
        Ok(Self { repository: format!("{registry}/{path}"), tag, digest })
    }

    /// With everything that docker leaves out.
    pub fn canonical(&self) -> String {
        self.shown(&self.repository)
    }

    /// As people write it: `debian:12`.
    pub fn familiar(&self) -> String {
        self.shown(&self.familiar_repository())
    }

    pub fn familiar_repository(&self) -> String {
        let short = self.repository.strip_prefix("docker.io/").unwrap_or(&self.repository);
        short.strip_prefix("library/").unwrap_or(short).to_owned()
    }

    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    fn shown(&self, repository: &str) -> String {
        let tag = self.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
        let digest = self.digest.as_ref().map(|digest| format!("@{digest}")).unwrap_or_default();
        format!("{repository}{tag}{digest}")
    }
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
    fn what_docker_refuses_is_refused() {
        for text in ["", "Debian", "a//b", "a:b:c", "a:-x", "a@sha256:12", "../x", "a/../b"] {
            assert!(Reference::parse(text).is_err(), "{text:?}");
        }
    }
}
