//! Authorization: a token from the registry's authorization server, or name and password themselves.
//! distribution.github.io, "Token Authentication Specification" and "OAuth2".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::challenge::Challenge;
use super::client::Client;
use super::credential::Credential;
use super::failure::{self, shown};
use super::http::{Base, Payload, Response, host_of};
use crate::error::{Error, RegistryProblem, Result};

/// Tokens have some kilobytes.
const LIMIT: u64 = 1 << 20;

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    pub refresh_token: Option<String>,
}

/// The value of the `Authorization` header for one of the challenges.
pub(super) fn authorization(
    client: &Client<'_>,
    base: Base,
    challenges: &[Challenge],
    scope: &str,
) -> Result<String> {
    let credential = client.credential()?;
    if let Some(bearer) = challenges.iter().find(|challenge| challenge.scheme == "bearer") {
        let answer = fetch(client, base, bearer, scope, credential.as_ref(), false)?;
        let token = answer.token.or(answer.access_token).filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| client.wrong("its authorization server sent no token"))?;
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(client.wrong("its authorization server sent an invalid token"));
        }
        return Ok(format!("Bearer {token}"));
    }
    let offered: Vec<&str> = challenges.iter().map(|challenge| challenge.scheme.as_str()).collect();
    match (offered.contains(&"basic"), credential) {
        (true, Some(Credential::Password { user, password })) => Ok(basic(&user, &password)),
        (true, _) => Err(denied(client, "it wants a name and a password")),
        (false, _) if offered.is_empty() => {
            Err(denied(client, "it denies access and does not say how to get it"))
        }
        (false, _) => {
            Err(denied(client, &format!("it wants {}, which hull cannot", shown(&offered.join(" or ")))))
        }
    }
}

pub(super) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

fn denied(client: &Client<'_>, why: &str) -> Error {
    Error::Registry { registry: client.registry().into(), why: why.into(), problem: RegistryProblem::Denied }
}

/// Requests a token. With `lasting` the server is also asked for an identity token, which `login` stores instead of the
/// password.
pub(super) fn fetch(
    client: &Client<'_>,
    base: Base,
    bearer: &Challenge,
    scope: &str,
    credential: Option<&Credential>,
    lasting: bool,
) -> Result<Answer> {
    let realm = bearer.parameter("realm").ok_or_else(|| client.wrong("it names no authorization server"))?;
    let base = server(client, base, realm)?;
    let offered = bearer.parameter("scope").unwrap_or_default();
    let mut scopes: Vec<&str> = scope.split_whitespace().collect();
    scopes.extend(offered.split_whitespace().filter(|offered| !scope.contains(offered)));
    let mut fields: Vec<(&str, &str)> = Vec::new();
    fields.extend(bearer.parameter("service").map(|service| ("service", service)));
    let response = match credential {
        Some(Credential::Identity { token }) => {
            let scopes = scopes.join(" ");
            fields.extend([("grant_type", "refresh_token"), ("client_id", "hull"), ("refresh_token", token)]);
            fields.push(("scope", &scopes));
            let form = form(&fields);
            let headers = [("content-type", "application/x-www-form-urlencoded".to_owned())];
            client.http().send(base, "POST", realm, &headers, Payload::Bytes(form.as_bytes()))
        }
        other => {
            fields.extend(scopes.iter().map(|scope| ("scope", *scope)));
            let mut headers = Vec::new();
            if let Some(Credential::Password { user, password }) = other {
                fields.push(("account", user));
                headers.push(("authorization", basic(user, password)));
            }
            if lasting {
                fields.extend([("offline_token", "true"), ("client_id", "hull")]);
            }
            let separator = if realm.contains('?') { '&' } else { '?' };
            let url = format!("{realm}{separator}{}", form(&fields));
            client.http().send(base, "GET", &url, &headers, Payload::Nothing)
        }
    };
    let response = response.map_err(|failure| failure.into_error(&name(realm)))?;
    read(client, realm, response)
}

fn read(client: &Client<'_>, realm: &str, mut response: Response) -> Result<Answer> {
    if response.status != 200 {
        let mut error =
            failure::refused(client.registry(), &format!("{} gives no token", name(realm)), response);
        if let Error::Registry { problem, .. } = &mut error
            && *problem == RegistryProblem::NotFound
        {
            *problem = RegistryProblem::Denied;
        }
        return Err(error);
    }
    let bytes = response
        .bytes(LIMIT)
        .map_err(|_| client.wrong("the answer of its authorization server is cut short or endless"))?;
    serde_json::from_slice(&bytes).map_err(|_| client.wrong(format!("{} sent an invalid token", name(realm))))
}

fn name(realm: &str) -> String {
    shown(host_of(realm).unwrap_or(realm))
}

/// How the authorization server is reached. A registry may name any server, as long as nobody can listen: credentials
/// that the registry would get by https are sent by https only. A registry without TLS may name its own host only,
/// because anybody on the way may have changed its answer.
fn server(client: &Client<'_>, base: Base, realm: &str) -> Result<Base> {
    let host =
        host_of(realm).ok_or_else(|| client.wrong("the address of its authorization server is invalid"))?;
    let secure = realm.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://"));
    let same_name = super::endpoint::bare_host(host) == super::endpoint::bare_host(client.endpoint.host());
    match (secure, base.scheme) {
        (true, _) if same_name => Ok(Base { scheme: "https", verify: base.verify || base.scheme == "http" }),
        (true, _) => Ok(Base { scheme: "https", verify: client.access.verify != Some(false) }),
        (false, "http") if same_name => Ok(Base { scheme: "http", verify: false }),
        (false, "http") => Err(client.wrong(format!(
            "it has no TLS and sends us to {} for a token, which anybody on the way could have said",
            name(realm)
        ))),
        (false, _) => Err(client.wrong(format!("it sends us to {} for a token, without TLS", name(realm)))),
    }
}

/// URL-encodes fields. RFC 3986, 2.3, lists the characters that need no encoding.
pub(super) fn form(fields: &[(&str, &str)]) -> String {
    let encoded = |(key, value): &(&str, &str)| format!("{}={}", encode(key), encode(value));
    fields.iter().map(encoded).collect::<Vec<_>>().join("&")
}

pub(super) fn encode(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => (byte as char).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_encoded() {
        assert_eq!(
            form(&[("scope", "repository:a/b:pull,push"), ("x", "ü&")]),
            "scope=repository%3Aa%2Fb%3Apull%2Cpush&x=%C3%BC%26"
        );
        assert_eq!(basic("me", "se:cret"), "Basic bWU6c2U6Y3JldA==");
    }
}
