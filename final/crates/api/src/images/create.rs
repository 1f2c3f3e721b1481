//! `POST /images/create`: pulls an image, or imports one.

use std::io::Read;

use hull_docker::wire::message::Message;
use hull_image::archive::{ImportOptions, apply_change};
use hull_image::platform::Platform;
use hull_image::pull::PullOptions;
use hull_image::reference::Reference;
use hull_image::registry::{Access, fetch};

use super::progress::{Layers, PULL};
use super::{access, reference};
use crate::api::Api;
use crate::failure::{Failure, Result};
use crate::http::{Exchange, JsonLines};

pub fn create(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    match exchange.query().text("fromImage").map(str::to_owned) {
        Some(image) => exchange.in_child(|exchange| pull(api, exchange, &image)),
        None => exchange.in_child(|exchange| import(api, exchange)),
    }
}

fn platform(exchange: &Exchange<'_>) -> Result<Option<Platform>> {
    let text = exchange.query().text("platform");
    Ok(text.map(Platform::parse).transpose()?)
}

fn pull(api: &Api, exchange: &mut Exchange<'_>, image: &str) -> Result<()> {
    let tag = exchange.query().text("tag").unwrap_or_default();
    let name = reference::with_tag(image, tag);
    let wanted = reference::parse(&name)?;
    let platform = platform(exchange)?;
    let access = access::for_reference(api, exchange, &wanted)?;
    let candidates = access.settings().candidates(&name)?;
    let mut lines = JsonLines::new(exchange);
    let outcome = match Reference::names_tag(&name) {
        true => pull_one(api, &access, &candidates, platform, &mut lines)
            .and_then(|(new, pulled)| lines.send(&status(new, &pulled.familiar()))),
        false => pull_all(api, &access, &candidates, platform, &mut lines),
    };
    lines.end(outcome)
}

/// As in dockerd, a name without a tag means all tags of the repository.
fn pull_all(
    api: &Api,
    access: &Access,
    candidates: &[Reference],
    platform: Option<Platform>,
    lines: &mut JsonLines<'_, '_>,
) -> Result<()> {
    let found = hull_image::remote::tags(access, candidates);
    let (repository, tags) = found.map_err(|error| access::failure(&candidates[0], error))?;
    let mut is_new = false;
    for tag in tags {
        let reference = repository.with_tag(&tag)?;
        is_new |= pull_one(api, access, &[reference], platform.clone(), lines)?.0;
    }
    lines.send(&status(is_new, &repository.familiar_repository()))
}

/// Returns whether anything was downloaded, and the name that was pulled.
fn pull_one(
    api: &Api,
    access: &Access,
    candidates: &[Reference],
    platform: Option<Platform>,
    lines: &mut JsonLines<'_, '_>,
) -> Result<(bool, Reference)> {
    let progress = Layers::new(PULL, lines);
    let options = PullOptions { platform, progress: &progress };
    let pulled = api.engine.pull_image(access, candidates, &options);
    let pulled = pulled.map_err(|error| match error {
        hull_engine::Error::Image(error) => access::failure(&candidates[0], error),
        error => error.into(),
    })?;
    lines.send(&Message::status(format!("Digest: {}", pulled.digest)))?;
    Ok((pulled.new, pulled.reference))
}

fn status(is_new: bool, name: &str) -> Message {
    Message::status(match is_new {
        true => format!("Status: Downloaded newer image for {name}"),
        false => format!("Status: Image is up to date for {name}"),
    })
}

fn import(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let query = exchange.query();
    let Some(source) = query.text("fromSrc").map(str::to_owned) else {
        return Err(Failure::invalid("fromImage or fromSrc says where the image comes from"));
    };
    let name = query
        .text("repo")
        .map(|repo| reference::parse(&reference::with_tag(repo, query.text("tag").unwrap_or_default())));
    let name = name.transpose()?;
    if name.as_ref().is_some_and(|name| name.digest().is_some()) {
        return Err(Failure::invalid("cannot import digest reference"));
    }
    let message = query.text("message").map_or_else(|| format!("Imported from {source}"), str::to_owned);
    let mut options =
        ImportOptions { message: Some(message), platform: platform(exchange)?, ..ImportOptions::default() };
    for change in exchange.query().all("changes").filter(|change| !change.is_empty()) {
        apply_change(&mut options.config, change)?;
    }
    if source == "-" {
        let id = api.engine.import_image(exchange.body(), name.as_ref(), options)?;
        return JsonLines::new(exchange).end_after(&Message::status(id.to_string()));
    }
    let url = if source.contains("://") { source } else { format!("http://{source}") };
    let stream = download(api, &url)?;
    let mut lines = JsonLines::new(exchange);
    lines.send(&Message::status(format!("Downloading from {url}")))?;
    let imported = api.engine.import_image(stream, name.as_ref(), options);
    let outcome = imported.map_err(Failure::from);
    let outcome = outcome.and_then(|id| lines.send(&Message::status(id.to_string())));
    lines.end(outcome)
}

/// A file from a web server. A redirect does not lead to what only this machine reaches.
fn download(api: &Api, url: &str) -> Result<impl Read + use<>> {
    let access = Access::new(api.registry.clone())?;
    let get = fetch::Get { url, headers: &[], trusts_redirects: false };
    let answer = fetch::get(&access, &get).map_err(|error| match error.kind() {
        hull_sys::Kind::NotFound => Failure::not_found(format!("failed to GET {url}: {error}")),
        _ => Failure::new(500, format!("failed to GET {url}: {error}")),
    })?;
    Ok(answer.into_reader())
}
