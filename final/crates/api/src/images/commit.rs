//! `POST /commit`.

use hull_docker::wire::config::Config;
use hull_engine::CommitOptions;
use serde::Serialize;

use super::reference;
use crate::api::Api;
use crate::failure::{Failure, Result};
use crate::http::Exchange;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    id: String,
}

pub fn commit(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let config: Option<Config> = exchange.read_optional_json()?;
    let query = exchange.query();
    let text = |name: &str| query.text(name).map(str::to_owned);
    let Some(container) = text("container") else {
        return Err(Failure::invalid("invalid name or ID supplied: \"\""));
    };
    let repo = query.text("repo");
    let name =
        repo.map(|repo| reference::parse(&reference::with_tag(repo, query.text("tag").unwrap_or_default())));
    let options = CommitOptions {
        name: name.transpose()?,
        author: text("author"),
        message: text("comment"),
        changes: query.all("changes").filter(|change| !change.is_empty()).map(str::to_owned).collect(),
        pause: query.flag_or("pause", true),
        config,
        ..CommitOptions::default()
    };
    exchange.in_child(|exchange| {
        let id = api.engine.commit(&container, &options)?;
        exchange.json(201, &Answer { id: id.to_string() })
    })
}
