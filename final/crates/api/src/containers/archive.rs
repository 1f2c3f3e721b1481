//! `/containers/{name}/archive` and `export`: files of a container as a tar.
//!
//! A stopped container is mounted for that, in a child's mount namespace.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hull_docker::wire::container::PathStat;
use hull_engine::ArchiveOptions;

use crate::api::Api;
use crate::failure::{Failure, Result};
use crate::http::{Exchange, Stream};

const TAR: &str = "application/x-tar";

/// `HEAD /containers/{name}/archive`.
pub fn stat_archive(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let (name, path) = arguments(exchange)?;
    exchange.in_child(|exchange| {
        let stat = api.engine.stat_path(&name, &path)?;
        add_stat(exchange, &stat);
        exchange.empty(200)
    })
}

/// `GET /containers/{name}/archive`.
pub fn get_archive(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let (name, path) = arguments(exchange)?;
    exchange.in_child(|exchange| {
        let stream = api.engine.archive_out(&name, &path, |stat| {
            add_stat(exchange, stat);
            begin(exchange, TAR)
        })?;
        stream.finish()
    })
}

/// `PUT /containers/{name}/archive`.
pub fn put_archive(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let (name, path) = arguments(exchange)?;
    let query = exchange.query();
    let options = ArchiveOptions {
        keeps_types: query.flag("noOverwriteDirNonDir"),
        owned_by_user: query.flag("copyUIDGID"),
    };
    exchange.in_child(|exchange| {
        api.engine.archive_in(&name, &path, &mut exchange.body(), options)?;
        exchange.empty(200)
    })
}

/// `GET /containers/{name}/export`.
pub fn export(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let name = exchange.parameter("name").to_owned();
    exchange.in_child(|exchange| {
        let stream = api.engine.export_to(&name, || begin(exchange, "application/octet-stream"))?;
        stream.finish()
    })
}

fn arguments(exchange: &Exchange<'_>) -> Result<(String, PathBuf)> {
    match exchange.query().text("path") {
        Some(path) if path.contains('\0') => {
            Err(Failure::invalid("bad parameter: path: it contains a zero byte"))
        }
        Some(path) => Ok((exchange.parameter("name").to_owned(), path.into())),
        // dockerd's text.
        None => Err(Failure::invalid("bad parameter: pathcannot be empty")),
    }
}

fn add_stat(exchange: &mut Exchange<'_>, stat: &PathStat) {
    let text = serde_json::to_vec(stat).unwrap_or_default();
    exchange.add_header("X-Docker-Container-Path-Stat", STANDARD.encode(text));
}

fn begin<'a>(exchange: &'a mut Exchange<'_>, content_type: &str) -> std::io::Result<Stream<'a>> {
    exchange.stream(200, content_type).map_err(|failure| std::io::Error::other(failure.message))
}
