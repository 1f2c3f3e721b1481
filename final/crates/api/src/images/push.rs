//! `POST /images/{name}/push`.

use hull_docker::wire::message::{Aux, Message};
use hull_image::RegistryProblem;
use hull_image::reference::Reference;
use hull_image::registry::Access;

use super::progress::{Layers, PUSH};
use super::{access, reference};
use crate::api::Api;
use crate::failure::{Failure, Result};
use crate::http::{Exchange, JsonLines};

pub fn push(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let tag = exchange.query().text("tag").unwrap_or_default();
    let name = reference::with_tag(exchange.parameter("name"), tag);
    let target = reference::parse(&name)?;
    exchange.in_child(|exchange| {
        let access = access::for_reference(api, exchange, &target)?;
        let mut lines = JsonLines::new(exchange);
        let repository = target.canonical_repository();
        lines.send(&Message::status(format!("The push refers to repository [{repository}]")))?;
        let outcome = names(api, &name, &target)
            .and_then(|names| names.iter().try_for_each(|name| push_one(api, &access, name, &mut lines)));
        lines.end(outcome)
    })
}

/// As in dockerd, a name without a tag means all tags of the repository.
fn names(api: &Api, name: &str, target: &Reference) -> Result<Vec<Reference>> {
    let missing = || {
        Failure::not_found(format!(
            "An image does not exist locally with the tag: {}",
            target.familiar_repository()
        ))
    };
    if Reference::names_tag(name) {
        return if api.engine.images().has(target) { Ok(vec![target.clone()]) } else { Err(missing()) };
    }
    let names = api.engine.images().list()?.into_iter().flat_map(|image| image.names);
    let references = names.filter_map(|name| Reference::parse(&name).ok());
    let is_of_it = |reference: &Reference| {
        reference.tag().is_some() && reference.canonical_repository() == target.canonical_repository()
    };
    let found: Vec<_> = references.filter(is_of_it).collect();
    if found.is_empty() { Err(missing()) } else { Ok(found) }
}

fn push_one(api: &Api, access: &Access, name: &Reference, lines: &mut JsonLines<'_, '_>) -> Result<()> {
    let progress = Layers::new(PUSH, lines);
    let pushed = api.engine.push_image(access, &name.canonical(), name, &progress);
    let pushed = pushed.map_err(|error| match error {
        hull_engine::Error::Image(hull_image::Error::Registry {
            problem: RegistryProblem::Denied,
            why,
            ..
        }) => Failure::new(401, format!("unauthorized: authentication required: {why}")),
        error => error.into(),
    })?;
    let (digest, size) = (pushed.digest.to_string(), pushed.size);
    let tag = name.tag().map_or_else(|| digest.clone(), str::to_owned);
    lines.send(&Message::status(format!("{tag}: digest: {digest} size: {size}")))?;
    let progress_detail = Some(Default::default());
    lines.send(&Message { progress_detail, ..Message::aux(Aux::Pushed { tag, digest, size }) })
}
