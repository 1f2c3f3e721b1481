//! Programs that keep credentials: `docker-credential-NAME get|store|erase`, a server on stdin, JSON on stdout.
//! github.com/docker/docker-credential-helpers, README, "Development".

use std::io::Write;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::credential::Credential;
use super::environment::Environment;
use crate::error::{Error, IoContext, Result};

/// Says that the secret is an identity token.
const TOKEN: &str = "<token>";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Secret {
    #[serde(rename = "ServerURL", default)]
    server: String,
    username: String,
    secret: String,
}

/// `None` when the helper has none.
pub(super) fn get(environment: &Environment, name: &str, server: &str) -> Result<Option<Credential>> {
    let Some(answer) = run(environment, name, "get", server.as_bytes())? else { return Ok(None) };
    let path = format!("answer of docker-credential-{name}");
    let secret: Secret = serde_json::from_slice(&answer).map_err(|source| Error::Json { path, source })?;
    Ok(match secret.username.as_str() {
        TOKEN => Some(Credential::Identity { token: secret.secret }),
        "" if secret.secret.is_empty() => None,
        _ => Some(Credential::Password { user: secret.username, password: secret.secret }),
    })
}

pub(super) fn store(
    environment: &Environment,
    name: &str,
    server: &str,
    credential: &Credential,
) -> Result<()> {
    let (username, secret) = match credential {
        Credential::Password { user, password } => (user.clone(), password.clone()),
        Credential::Identity { token } => (TOKEN.into(), token.clone()),
    };
    let secret = crate::publish::to_json(&Secret { server: server.into(), username, secret })?;
    run(environment, name, "store", &secret).map(drop)
}

pub(super) fn erase(environment: &Environment, name: &str, server: &str) -> Result<()> {
    run(environment, name, "erase", server.as_bytes()).map(drop)
}

fn run(environment: &Environment, name: &str, verb: &str, input: &[u8]) -> Result<Option<Vec<u8>>> {
    let program = format!("docker-credential-{name}");
    // A name with a slash would be a path to any program.
    if name.is_empty() || name.contains('/') {
        return Err(Error::Invalid {
            what: "credential helper".into(),
            why: format!("{name:?} is not a name"),
        });
    }
    let context = || format!("run {program}, which the file of credentials names");
    let mut command = Command::new(&program);
    // With PATH among these variables, the program is looked for there: execvpe(3).
    command.env_clear().envs(environment.variables.iter().map(|(name, value)| (name, value)));
    let command = command.arg(verb).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context(context)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that needs no input may end without reading it.
        let _ = stdin.write_all(input);
    }
    let output = child.wait_with_output().context(context)?;
    if output.status.success() {
        return Ok(Some(output.stdout));
    }
    // The protocol tells a missing credential from other failures by this text only.
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    let said = String::from_utf8_lossy(&said);
    if verb != "store" && said.contains("not found in native keychain") {
        return Ok(None);
    }
    let why = super::failure::shown(&said);
    Err(Error::Invalid { what: format!("answer of {program} {verb}"), why })
}
