//! `login` and `logout`. Credentials are verified before they are stored.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::challenge::Challenge;
use super::client::Client;
use super::credential::Credential;
use super::credentials::{key_of, name};
use super::http::Payload;
use super::{Access, failure, helper, token};
use crate::error::{Error, IoContext, RegistryProblem, Result};

/// Where credentials were stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    File(PathBuf),
    Helper(String),
}

/// Verifies name and password with the registry, and stores them, or the identity token that the registry gave for
/// them.
pub fn login(access: &Access, registry: &str, user: &str, password: &str) -> Result<Login> {
    let credential = Credential::Password { user: user.into(), password: password.into() };
    let identity = check(access, registry, user, password)?;
    let credential = identity.map_or(credential, |token| Credential::Identity { token });
    let path = file(access)?;
    let mut content = read(&path)?;
    let key = key_of(registry);
    let helper = ["credHelpers", "credsStore"].iter().find_map(|field| match content.get(*field)? {
        Value::Object(helpers) => helpers.get(key)?.as_str().map(str::to_owned),
        other => other.as_str().filter(|name| !name.is_empty()).map(str::to_owned),
    });
    let mut entry = match (&helper, &credential) {
        (Some(_), _) => json!({}),
        (None, Credential::Password { .. }) => {
            json!({ "auth": STANDARD.encode(format!("{user}:{password}")) })
        }
        (None, Credential::Identity { token }) => {
            json!({ "auth": STANDARD.encode(format!("{user}:")), "identitytoken": token })
        }
    };
    if let Some(name) = &helper {
        helper::store(&access.credentials.environment, name, key, &credential)?;
    }
    let auths = content.entry("auths").or_insert_with(|| json!({}));
    auths.as_object_mut().ok_or_else(|| odd(&path))?.insert(key.into(), entry.take());
    write(&path, content)?;
    Ok(helper.map_or(Login::File(path), Login::Helper))
}

/// Removes the credentials for a registry. Returns `false` if there were none.
pub fn logout(access: &Access, registry: &str) -> Result<bool> {
    let mut known = false;
    for path in &access.credentials.files {
        let mut content = read(path)?;
        let key = key_of(registry);
        let named = content.get("credHelpers").and_then(|helpers| helpers.get(key)?.as_str());
        let named = named.or_else(|| content.get("credsStore").and_then(Value::as_str)).map(str::to_owned);
        let Some(auths) = content.get_mut("auths").and_then(Value::as_object_mut) else { continue };
        let before = auths.len();
        auths.retain(|other, _| name(other) != registry);
        if auths.len() == before {
            continue;
        }
        known = true;
        if let Some(helper) = named.filter(|name| !name.is_empty()) {
            helper::erase(&access.credentials.environment, &helper, key)?;
        }
        write(path, content)?;
    }
    Ok(known)
}

/// The user who is logged in to a registry.
pub fn logged_in(access: &Access, registry: &str) -> Result<Option<String>> {
    Ok(access.credentials.find(registry, "")?.map(|credential| match credential {
        Credential::Password { user, .. } => user,
        Credential::Identity { .. } => "<token>".into(),
    }))
}

/// Verifies name and password. Returns the identity token that the registry gave, if it gave one.
pub fn check(access: &Access, registry: &str, user: &str, password: &str) -> Result<Option<String>> {
    let client = Client::new(access, access.settings.host(registry)?);
    let base = client.base()?;
    let url = client.absolute("/v2/")?;
    let ask = |headers: &[(&str, String)]| {
        let asked = client.http().send(base, "GET", &url, headers, Payload::Nothing);
        asked.map_err(|failure| failure.into_error(registry))
    };
    let response = ask(&[])?;
    if response.status == 200 {
        return Ok(None);
    }
    let challenges = Challenge::of(&response);
    if let Some(bearer) = challenges.iter().find(|challenge| challenge.scheme == "bearer") {
        let credential = Credential::Password { user: user.into(), password: password.into() };
        let answer = token::fetch(&client, base, bearer, "", Some(&credential), true)?;
        return Ok(answer.refresh_token.filter(|token| !token.is_empty()));
    }
    if challenges.is_empty() {
        let why = "is this a registry? it has no /v2/";
        return Err(match response.status {
            401 | 403 => failure::refused(registry, "login", response),
            _ => Error::Registry {
                registry: registry.into(),
                why: why.into(),
                problem: RegistryProblem::Other,
            },
        });
    }
    let response = ask(&[("authorization", token::basic(user, password))])?;
    match response.status {
        200 => Ok(None),
        _ => Err(failure::refused(registry, "name or password is wrong", response)),
    }
}

/// The file that the caller named, or docker's.
fn file(access: &Access) -> Result<PathBuf> {
    let only = access.credentials.files.as_slice();
    let path = match only {
        [only] => Some(only.clone()),
        _ => access.credentials.environment.docker_config_file(),
    };
    path.ok_or_else(|| Error::Invalid { what: "environment".into(), why: "HOME is not set".into() })
}

fn read(path: &Path) -> Result<Map<String, Value>> {
    match std::fs::read(path) {
        Ok(bytes) if bytes.trim_ascii().is_empty() => Ok(Map::new()),
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map_err(|source| Error::Json { path: path.display().to_string(), source }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Map::new()),
        Err(error) => Err(error).context(|| format!("read {}", path.display())),
    }
}

/// Writes the file. Everything that hull did not change in it is kept.
fn write(path: &Path, content: Map<String, Value>) -> Result<()> {
    if let Some(directory) = path.parent() {
        hull_storage::directory::make_dirs(directory, 0o700)?;
    }
    // If the file is a symlink, its target is replaced and not the link.
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    Ok(hull_storage::file::write_json_atomic(&path, &Value::Object(content))?)
}

fn odd(path: &Path) -> Error {
    Error::Invalid { what: format!("file {}", path.display()), why: "its auths are no object".into() }
}
