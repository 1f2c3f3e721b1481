//! `GET /images/{name}/json` and `GET /images/{name}/history`.

use hull_docker::wire::image::HistoryItem;
use hull_image::HistoryLine;
use hull_image::platform::Platform;

use super::{keys, reference};
use crate::api::Api;
use crate::failure::{Failure, Result};
use crate::http::Exchange;

pub fn inspect(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let name = exchange.parameter("name");
    reference::check(name)?;
    let image = api.engine.inspect_image(name).map_err(|error| reference::engine_failure(name, error))?;
    check_platform(
        exchange,
        name,
        &Platform {
            os: image.os.clone(),
            architecture: image.architecture.clone(),
            variant: image.variant.clone(),
        },
    )?;
    let image = keys::inspected(&image, exchange.version())?;
    exchange.json(200, &image)
}

pub fn history(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let name = exchange.parameter("name");
    reference::check(name)?;
    let images = api.engine.images();
    let lines = images.history(name).map_err(|error| reference::failure(name, error))?;
    let details = images.inspect(name)?;
    check_platform(exchange, name, &details.config.platform())?;
    let tags = details.tags;
    let items: Vec<HistoryItem> = lines.into_iter().map(|line| item(line, &tags)).collect();
    exchange.json(200, &items)
}

/// The store has one platform of each image.
fn check_platform(exchange: &Exchange<'_>, name: &str, own: &Platform) -> Result<()> {
    match super::load::platform(exchange)? {
        Some(wanted) if wanted.suits(own).is_none() => Err(Failure::not_found(format!(
            "image with reference {name} was found but its platform ({own}) does not match the specified platform \
             ({wanted})"
        ))),
        _ => Ok(()),
    }
}

fn item(line: HistoryLine, tags: &[String]) -> HistoryItem {
    let created = line.created.as_deref().and_then(|time| humantime::parse_rfc3339(time).ok());
    HistoryItem {
        comment: line.comment,
        created: created.map_or(0, super::list::seconds),
        created_by: line.created_by,
        tags: if line.id.is_some() { tags.to_vec() } else { vec![] },
        id: line.id.unwrap_or_else(|| "<missing>".into()),
        size: line.size,
    }
}
