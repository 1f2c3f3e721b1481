//! `POST /auth`: verifies credentials. The client keeps them, and nothing is stored here.

use hull_image::RegistryProblem;
use hull_image::registry::{self, Access, Credential};
use serde::Serialize;

use super::access::AuthConfig;
use crate::api::Api;
use crate::failure::{Failure, Result};
use crate::http::Exchange;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    identity_token: String,
    status: &'static str,
}

pub fn auth(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let auth: AuthConfig = exchange.read_json()?;
    exchange.in_child(|exchange| {
        let address = auth.serveraddress.clone().unwrap_or_default();
        let (user, password) = match auth.credential()? {
            Some(Credential::Password { user, password }) => (user, password),
            Some(Credential::Identity { .. }) => {
                return Err(Failure::new(
                    501,
                    "an identity token cannot be verified: send a name and a password",
                ));
            }
            None => (String::new(), String::new()),
        };
        let access = Access::new(api.registry.clone())?;
        let checked = registry::check_login(&access, registry::name(&address), &user, &password);
        let identity_token = checked.map_err(refused)?.unwrap_or_default();
        exchange.json(200, &Answer { identity_token, status: "Login Succeeded" })
    })
}

fn refused(error: hull_image::Error) -> Failure {
    let text = error.to_string();
    match error {
        hull_image::Error::Registry { problem: RegistryProblem::Denied, .. } => Failure::new(401, text),
        hull_image::Error::Registry { .. } => Failure::new(500, text),
        error => error.into(),
    }
}
