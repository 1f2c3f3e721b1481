//! `/volumes`.

use std::time::SystemTime;

use hull_docker::filters::prune::{PruneFilters, Pruned};
use hull_docker::filters::volume::VolumeFilters;
use hull_docker::wire::nullable;
use hull_docker::wire::volume::{CreateRequest, Volume};
use hull_engine::{Error, VolumeOptions, describe_volume};
use hull_storage::Error as StorageError;
use serde::Serialize;

use crate::api::Api;
use crate::failure::{Failure, Result};
use crate::http::Exchange;
use crate::version::ApiVersion;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Listing {
    volumes: Vec<Volume>,
    #[serde(with = "nullable")]
    warnings: Vec<String>,
}

/// `GET /volumes`.
pub fn list(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let filters = exchange.query().filters().map_err(|failure| Failure {
        message: format!("error reading volume filters: {}", failure.message),
        ..failure
    })?;
    let filters = VolumeFilters::parse(&filters)?;
    let (volumes, unknown) = api.engine.fitting_volumes(&filters)?;
    let volumes = volumes.into_iter().map(describe_volume).collect();
    let warnings = unknown.iter().map(ToString::to_string).collect();
    exchange.json(200, &Listing { volumes, warnings })
}

/// `GET /volumes/{name}`.
pub fn inspect(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let volume = api.engine.inspect_volume(exchange.parameter("name"))?;
    exchange.json(200, &volume)
}

/// `POST /volumes/create`. A volume of this name that exists is the answer, whatever the request says of it.
pub fn create(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let request: CreateRequest = exchange.read_json()?;
    let name = request.name.clone();
    if !name.is_empty()
        && let Ok(volume) = api.engine.inspect_volume(&name)
    {
        return exchange.json(201, &volume);
    }
    if !["", "local"].contains(&&*request.driver) {
        let driver = &request.driver;
        let why = format!("error looking up volume plugin {driver}: plugin {driver:?} not found");
        return Err(Failure::not_found(format!("create {name}: {why}")));
    }
    let worded = |error: Error| match error {
        Error::Invalid { why, .. } => Failure::invalid(format!("create {name}: {why}")),
        other => other.into(),
    };
    let options = VolumeOptions::try_from(request).map_err(worded)?;
    let volume = api.engine.create_volume(&options).map_err(worded)?;
    let volume = api.engine.inspect_volume(&volume.name)?;
    exchange.json(201, &volume)
}

/// `DELETE /volumes/{name}`. With `force`, one that does not exist is no error; one in use is an error even then.
pub fn delete(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let force = exchange.query().flag("force");
    match api.engine.remove_volume(exchange.parameter("name")) {
        Err(Error::Storage(StorageError::NoSuchVolume(_))) if force => {}
        Err(Error::Storage(StorageError::VolumeInUse { name, users })) => {
            let id = |user: &String| api.engine.resolve(user).unwrap_or(user.clone());
            let users: Vec<String> = users.iter().map(id).collect();
            let message = format!("remove {name}: volume is in use - [{}]", users.join(", "));
            return Err(Failure::new(409, message));
        }
        removed => removed?,
    }
    exchange.empty(204)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Report {
    volumes_deleted: Vec<String>,
    space_reclaimed: u64,
}

/// `POST /volumes/prune`. As in docker, volumes that cannot be removed are left out.
pub fn prune(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let filters = PruneFilters::parse(&exchange.query().filters()?, Pruned::Volumes, SystemTime::now())?;
    // Before this version there was no filter for it, and named volumes went too.
    let all = filters.ask_for_all() || exchange.version() < ApiVersion(42);
    let pruned = api.engine.prune_volumes(all, &|one| filters.fit(&one.labels, Some(one.created())))?;
    exchange.json(200, &Report { volumes_deleted: pruned.volumes, space_reclaimed: pruned.bytes })
}
