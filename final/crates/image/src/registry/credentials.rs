//! Credentials for registries: the files in which docker and podman keep them, and the helpers that these files name.
//!
//! ```text
//! given on the command line
//! --authfile, $REGISTRY_AUTH_FILE               nothing else is looked at then
//! $XDG_RUNTIME_DIR/containers/auth.json         podman's
//! ~/.config/containers/auth.json                podman's
//! $DOCKER_CONFIG/config.json, ~/.docker/config.json
//! ```
//! All have one format: `auths` by registry, `credHelpers` by registry, `credsStore` for all.
//! containers-auth.json(5), docker "login", "Credential stores".

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::credential::Credential;
use super::endpoint::DOCKER;
use super::environment::Environment;
use super::helper;
use crate::error::{Error, IoContext, Result};

/// What docker calls its own registry in these files.
const DOCKER_KEY: &str = "https://index.docker.io/v1/";

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct File {
    auths: BTreeMap<String, Entry>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: String,
    identitytoken: String,
    username: String,
    password: String,
}

/// Where credentials come from.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// In the order in which they are read.
    pub(super) files: Vec<PathBuf>,
    /// From the caller; no file is read then.
    pub(super) given: Option<Credential>,
    /// From the caller, for some registries.
    pub(super) logins: Vec<(String, Credential)>,
    pub(super) environment: Environment,
}

impl Credentials {
    pub(super) fn new(
        environment: Environment,
        auth_file: Option<PathBuf>,
        given: Option<Credential>,
        logins: Vec<(String, Credential)>,
    ) -> Self {
        if let Some(only) = auth_file.or_else(|| environment.auth_file.clone()) {
            return Self { files: vec![only], given, logins, environment };
        }
        let config_home = environment.config_home.clone();
        let config_home = config_home.or_else(|| Some(environment.home.as_ref()?.join(".config")));
        let podmans = [environment.runtime_dir.clone(), config_home].into_iter().flatten();
        let files = podmans.map(|directory| directory.join("containers/auth.json"));
        Self { files: files.chain(environment.docker_config_file()).collect(), given, logins, environment }
    }

    /// The credentials for a repository, `HOST/a/b`: of several entries the one with the longest matching key.
    pub(super) fn find(&self, registry: &str, repository: &str) -> Result<Option<Credential>> {
        if let Some(given) = &self.given {
            return Ok(Some(given.clone()));
        }
        if let Some((_, own)) = self.logins.iter().find(|(key, _)| name(key) == name(registry)) {
            return Ok(Some(own.clone()));
        }
        for path in &self.files {
            let helpers = &mut |name: &str, key: &str| helper::get(&self.environment, name, key);
            if let Some(found) = read(path)?.find(registry, repository, helpers)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

fn read(path: &Path) -> Result<File> {
    match std::fs::read(path) {
        Ok(bytes) if bytes.trim_ascii().is_empty() => Ok(File::default()),
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map_err(|source| Error::Json { path: path.display().to_string(), source }),
        Err(error)
            if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
        {
            Ok(File::default())
        }
        Err(error) => Err(error).context(|| format!("read {}", path.display())),
    }
}

impl File {
    /// `ask_helper` is called with the name of a helper and the key that it knows a registry by.
    fn find(
        &self,
        registry: &str,
        repository: &str,
        ask_helper: &mut dyn FnMut(&str, &str) -> Result<Option<Credential>>,
    ) -> Result<Option<Credential>> {
        for key in keys(registry, repository) {
            let is_key = |other: &str| name(other) == name(&key);
            if let Some((key, name)) = self.cred_helpers.iter().find(|(other, _)| is_key(other))
                && let Some(found) = ask_helper(name, key)?
            {
                return Ok(Some(found));
            }
            let entry = self.auths.iter().find(|(other, _)| is_key(other));
            if let Some(found) = entry.map(|(key, entry)| entry.credential(key)).transpose()?.flatten() {
                return Ok(Some(found));
            }
        }
        match self.creds_store.as_str() {
            "" => Ok(None),
            name => ask_helper(name, key_of(registry)),
        }
    }
}

impl Entry {
    fn credential(&self, key: &str) -> Result<Option<Credential>> {
        if !self.identitytoken.is_empty() {
            return Ok(Some(Credential::Identity { token: self.identitytoken.clone() }));
        }
        if !self.username.is_empty() {
            return Ok(Some(Credential::Password {
                user: self.username.clone(),
                password: self.password.clone(),
            }));
        }
        // An empty entry means that a helper keeps the credentials.
        if self.auth.is_empty() {
            return Ok(None);
        }
        let decoded = STANDARD.decode(self.auth.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let pair = decoded.as_deref().and_then(|text| text.trim_end_matches('\0').split_once(':'));
        let (user, password) = pair.ok_or_else(|| Error::Invalid {
            what: format!("entry for {key} in the file of credentials"),
            why: "its auth is not USER:PASSWORD in base64".into(),
        })?;
        Ok(Some(Credential::Password { user: user.into(), password: password.into() }))
    }
}

/// The keys under which credentials may be found, from `HOST/a/b` to `HOST`: podman keeps some for a part of a registry.
fn keys(registry: &str, repository: &str) -> Vec<String> {
    let mut keys = Vec::new();
    let mut path = repository;
    while !path.is_empty() {
        keys.push(format!("{registry}/{path}"));
        path = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    }
    keys.push(registry.to_owned());
    keys
}

/// The key of a registry in these files.
pub(super) fn key_of(registry: &str) -> &str {
    if registry == DOCKER { DOCKER_KEY } else { registry }
}

/// The name of a registry, from what people paste and old entries of these files have: addresses with a scheme and a
/// version. An empty text is Docker Hub.
pub fn name(key: &str) -> &str {
    let bare = key.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
    let bare = bare.strip_suffix("/v1").or_else(|| bare.strip_suffix("/v2")).unwrap_or(bare);
    match bare {
        "" | "index.docker.io" | "registry-1.docker.io" => DOCKER,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(json: &str, registry: &str, repository: &str) -> Option<Credential> {
        serde_json::from_str::<File>(json).unwrap().find(registry, repository, &mut |_, _| Ok(None)).unwrap()
    }

    fn password(user: &str, password: &str) -> Option<Credential> {
        Some(Credential::Password { user: user.into(), password: password.into() })
    }

    #[test]
    fn the_nearest_entry_counts() {
        let json = r#"{"auths": {
            "https://index.docker.io/v1/": {"auth": "aHViOnBhc3M="},
            "a.b:5000": {"auth": "YWxsOnA6cQ=="},
            "a.b:5000/team": {"auth": "dGVhbTpw"},
            "old.example/v1/": {"username": "u", "password": "p"},
            "id.example": {"auth": "eDo=", "identitytoken": "tok"},
            "empty.example": {}
        }}"#;
        for (registry, repository, expected) in [
            ("docker.io", "library/debian", password("hub", "pass")),
            ("a.b:5000", "other/x", password("all", "p:q")),
            ("a.b:5000", "team/x", password("team", "p")),
            ("a.b:5000", "teams", password("all", "p:q")),
            ("a.b", "team/x", None),
            ("old.example", "x", password("u", "p")),
            ("id.example", "x", Some(Credential::Identity { token: "tok".into() })),
            ("empty.example", "x", None),
            ("unknown", "x", None),
        ] {
            assert_eq!(found(json, registry, repository), expected, "{registry}/{repository}");
        }
    }

    #[test]
    fn an_entry_that_is_none_is_named() {
        let file: File = serde_json::from_str(r#"{"auths": {"a.b": {"auth": "!"}}}"#).unwrap();
        let error = file.find("a.b", "x", &mut |_, _| Ok(None)).unwrap_err().to_string();
        assert!(error.contains("entry for a.b") && !error.contains('!'), "{error}");
    }
}
