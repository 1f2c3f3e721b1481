//! `images --format json`, and names with their registries.

use std::collections::BTreeMap;

use anyhow::Result;
use hull_image::reference::Reference;
use hull_image::store::ImageRecord;
use serde::Serialize;

use super::seconds;
use crate::ui::output;

/// A name with its registry, as podman shows it: `docker.io/library/busybox:latest`. An id stays an id.
pub fn full_name(name: &str) -> String {
    match Reference::parse(name) {
        Ok(reference) if !name.is_empty() && !name.starts_with("sha256:") => reference.canonical(),
        _ => name.to_owned(),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row<'a> {
    id: &'a str,
    parent_id: &'static str,
    repo_tags: Option<Vec<String>>,
    repo_digests: Vec<String>,
    size: u64,
    shared_size: u64,
    virtual_size: u64,
    labels: &'a BTreeMap<String, String>,
    containers: usize,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dangling: bool,
    names: Vec<String>,
    digest: String,
    history: Vec<String>,
    created: i64,
    created_at: &'a str,
}

/// `containers` tells how many containers an image with this id has.
pub fn print(records: &[ImageRecord], containers: impl Fn(&str) -> usize) -> Result<()> {
    let rows: Vec<_> = records.iter().map(|record| row(record, &containers)).collect();
    output::pretty(&rows)
}

fn row<'a>(record: &'a ImageRecord, containers: &impl Fn(&str) -> usize) -> Row<'a> {
    let names: Vec<String> = record.names.iter().map(|name| full_name(name)).collect();
    let digest = record.manifest_digest.to_string();
    let created = record.created.as_deref().unwrap_or_default();
    let repositories = names.iter().map(|name| crate::commands::images::split(name).0);
    Row {
        id: record.id.hex(),
        parent_id: "",
        repo_tags: None,
        repo_digests: repositories.map(|repository| format!("{repository}@{digest}")).collect(),
        size: record.size,
        shared_size: 0,
        virtual_size: record.size,
        labels: &record.labels,
        containers: containers(&record.id.to_string()),
        dangling: names.is_empty(),
        history: names.clone(),
        names,
        digest,
        created: seconds(humantime::parse_rfc3339(created).ok()),
        created_at: created,
    }
}
