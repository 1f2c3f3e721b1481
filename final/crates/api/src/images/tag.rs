//! `POST /images/{name}/tag`.

use super::reference;
use crate::api::Api;
use crate::failure::{Failure, Result};
use crate::http::Exchange;

pub fn tag(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let query = exchange.query();
    let (repo, tag) = (query.text("repo").unwrap_or_default(), query.text("tag").unwrap_or_default());
    let target = reference::parse(&reference::with_tag(repo, tag))?;
    if target.digest().is_some() {
        return Err(Failure::invalid("refusing to create a tag with a digest reference"));
    }
    let name = exchange.parameter("name");
    reference::check(name)?;
    api.engine.tag_image(name, &target).map_err(|error| reference::engine_failure(name, error))?;
    exchange.empty(201)
}
