//! How registries are reached for a client: with the server's settings, and with the credentials that the client sends.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use hull_image::RegistryProblem;
use hull_image::reference::Reference;
use hull_image::registry::{Access, AccessOptions, Credential};
use serde::Deserialize;

use crate::api::Api;
use crate::failure::{Failure, Result};
use crate::http::Exchange;

/// docker's `AuthConfig`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct AuthConfig {
    pub username: Option<String>,
    pub password: Option<String>,
    /// `USER:PASSWORD` in base64.
    pub auth: Option<String>,
    pub identitytoken: Option<String>,
    pub registrytoken: Option<String>,
    pub serveraddress: Option<String>,
}

impl AuthConfig {
    /// `None` if it says nothing, which clients send for a registry that they have no credentials for.
    pub fn credential(&self) -> Result<Option<Credential>> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if given(&self.registrytoken).is_some() {
            return Err(Failure::new(501, "registrytoken is not supported: send a name and a password"));
        }
        if let Some(token) = given(&self.identitytoken) {
            return Ok(Some(Credential::Identity { token }));
        }
        if let Some(user) = given(&self.username) {
            let password = self.password.clone().unwrap_or_default();
            return Ok(Some(Credential::Password { user, password }));
        }
        let Some(auth) = given(&self.auth) else { return Ok(None) };
        let decoded = STANDARD.decode(auth.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let pair = decoded.as_deref().and_then(|text| text.trim_end_matches('\0').split_once(':'));
        let (user, password) = pair.ok_or_else(|| Failure::invalid("auth is not USER:PASSWORD in base64"))?;
        Ok(Some(Credential::Password { user: user.into(), password: password.into() }))
    }
}

/// The client's credential for the one registry that a request is about. As in dockerd, a field that cannot be read is as
/// none: some clients send nonsense for "no credentials".
pub fn login_of(exchange: &Exchange<'_>) -> Result<Option<Credential>> {
    match exchange.head().field("x-registry-auth").and_then(decode::<AuthConfig>) {
        Some(auth) => auth.credential(),
        None => Ok(None),
    }
}

/// The client's credentials for registries, by their names: `X-Registry-Config` of a build.
pub fn logins(exchange: &Exchange<'_>) -> Result<Vec<(String, Credential)>> {
    let field = exchange.head().field("x-registry-config");
    let given: BTreeMap<String, AuthConfig> = field.and_then(decode).unwrap_or_default();
    let login = |(registry, auth): (String, AuthConfig)| {
        Ok(auth.credential()?.map(|credential| (registry, credential)))
    };
    given.into_iter().filter_map(|login_of| login(login_of).transpose()).collect()
}

fn decode<T: for<'a> Deserialize<'a>>(text: &str) -> Option<T> {
    const CONFIG: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    // Some clients send the other alphabet.
    let text = text.replace('+', "-").replace('/', "_");
    let bytes = GeneralPurpose::new(&base64::alphabet::URL_SAFE, CONFIG).decode(text).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Access to the registry of `reference`.
pub fn for_reference(api: &Api, exchange: &Exchange<'_>, reference: &Reference) -> Result<Access> {
    let login = login_of(exchange)?.map(|credential| (reference.registry().to_owned(), credential));
    Ok(Access::new(AccessOptions { logins: login.into_iter().collect(), ..api.registry.clone() })?)
}

/// The failure of a request to a registry about `reference`, in docker's words where programs look for them.
pub fn failure(reference: &Reference, error: hull_image::Error) -> Failure {
    let text = error.to_string();
    let hull_image::Error::Registry { problem, .. } = error else { return error.into() };
    match problem {
        RegistryProblem::NotFound => Failure::not_found(format!(
            "manifest for {} not found: manifest unknown: {text}",
            reference.familiar()
        )),
        RegistryProblem::Denied => Failure::not_found(format!(
            "pull access denied for {}, repository does not exist or may require 'docker login': {text}",
            reference.familiar_repository()
        )),
        _ => Failure::new(500, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_come_in_several_forms() {
        let credential = |json: &str| {
            let encoded = base64::engine::general_purpose::URL_SAFE.encode(json);
            decode::<AuthConfig>(&encoded).map(|auth| auth.credential())
        };
        let password = Credential::Password { user: "ann".into(), password: "b:c".into() };
        assert_eq!(credential(r#"{"username":"ann","password":"b:c"}"#), Some(Ok(Some(password.clone()))));
        assert_eq!(credential(r#"{"auth":"YW5uOmI6Yw=="}"#), Some(Ok(Some(password))));
        let token = Credential::Identity { token: "t".into() };
        assert_eq!(credential(r#"{"username":"","identitytoken":"t"}"#), Some(Ok(Some(token))));
        assert_eq!(credential(r#"{"username":null}"#), Some(Ok(None)));
        assert_eq!(credential("{}"), Some(Ok(None)));
        assert!(credential(r#"{"registrytoken":"t"}"#).unwrap().is_err());
        assert!(decode::<AuthConfig>("e30").is_some() && decode::<AuthConfig>("!!").is_none());
    }
}
