//! `GET /distribution/{name}/json`: what a registry has under a name.

use hull_image::config;
use hull_image::platform::Platform;
use hull_image::remote;
use serde::Serialize;

use super::{access, reference};
use crate::api::Api;
use crate::failure::{Failure, Result};
use crate::http::Exchange;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    descriptor: config::Descriptor,
    platforms: Vec<Platform>,
}

pub fn distribution(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let name = exchange.parameter("name").to_owned();
    let wanted = reference::parse(&name)?;
    exchange.in_child(|exchange| {
        let access = access::for_reference(api, exchange, &wanted)?;
        let candidates = access.settings().candidates(&name)?;
        let offered = remote::offered(&access, &candidates);
        let (descriptor, platforms) = offered.map_err(|error| failure(&wanted, error))?;
        exchange.json(200, &Answer { descriptor, platforms })
    })
}

fn failure(wanted: &hull_image::reference::Reference, error: hull_image::Error) -> Failure {
    match error {
        hull_image::Error::Registry { problem: hull_image::RegistryProblem::Denied, .. } => {
            Failure::new(401, error.to_string())
        }
        error => access::failure(wanted, error),
    }
}
