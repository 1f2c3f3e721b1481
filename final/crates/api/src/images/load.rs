//! `POST /images/load`.

use hull_docker::wire::message::Message;
use hull_image::archive::LoadSource;
use hull_image::platform::Platform;

use crate::api::Api;
use crate::failure::{Failure, Result};
use crate::http::{Exchange, JsonLines};

pub fn load(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let platform = platform(exchange)?;
    exchange.in_child(|exchange| {
        let source = LoadSource::Stream(Box::new(exchange.body()));
        let loaded = api.engine.load_images(source, platform.as_ref());
        let mut lines = JsonLines::new(exchange);
        let loaded = match loaded {
            Ok(loaded) => loaded,
            // As in dockerd: what is wrong with an archive is said in the stream.
            Err(error) => return lines.end_after(&Message::error(error.to_string(), None)),
        };
        for image in loaded {
            if image.names.is_empty() {
                lines.send(&Message::stream(format!("Loaded image ID: {}\n", image.id)))?;
            }
            for name in &image.names {
                lines.send(&Message::stream(format!("Loaded image: {name}\n")))?;
            }
        }
        lines.end(Ok(()))
    })
}

/// `platform` as an object of JSON (API 1.48).
pub fn platform(exchange: &Exchange<'_>) -> Result<Option<Platform>> {
    let Some(text) = exchange.query().text("platform") else { return Ok(None) };
    let platform: Platform = serde_json::from_str(text)
        .map_err(|error| Failure::invalid(format!("failed to parse platform: {error}")))?;
    Ok(Some(Platform::parse(&platform.to_string())?))
}
