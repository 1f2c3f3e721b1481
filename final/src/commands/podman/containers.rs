//! `ps --format json`: one array with an object for each container
//! (<https://docs.podman.io/en/v4.3/markdown/podman-ps.1.html>).

use std::collections::BTreeMap;
use std::time::SystemTime;

use anyhow::Result;
use hull_engine::{Engine, Summary};
use serde::Serialize;

use super::seconds;
use crate::ui::{human, output};

/// podman-compose sets and asks for labels of this beginning, whatever the name of the program that it starts.
const COMPOSE: &str = "label=io.podman.compose.";

/// Whether the caller is a client of podman, and reads its layout.
pub fn are_wanted(format: Option<&str>, filters: &[String]) -> bool {
    let is_client =
        crate::persona::Persona::is_podman() || filters.iter().any(|one| one.starts_with(COMPOSE));
    is_client && format == Some("json")
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row<'a> {
    auto_remove: bool,
    command: Vec<String>,
    created_at: String,
    exited: bool,
    exited_at: i64,
    exit_code: u8,
    id: &'a str,
    image: String,
    #[serde(rename = "ImageID")]
    image_id: &'a str,
    is_infra: bool,
    labels: &'a BTreeMap<String, String>,
    mounts: &'a [String],
    names: [&'a str; 1],
    namespaces: BTreeMap<String, String>,
    networks: &'a [String],
    pid: i64,
    pod: &'static str,
    pod_name: &'static str,
    ports: Vec<Port>,
    size: Option<Size>,
    started_at: i64,
    state: &'static str,
    status: String,
    created: i64,
}

#[derive(Serialize)]
struct Port {
    host_ip: String,
    container_port: u16,
    host_port: u16,
    range: u16,
    protocol: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Size {
    root_fs_size: u64,
    rw_size: u64,
}

pub fn print<'a>(engine: &Engine, shown: impl Iterator<Item = &'a Summary>, with_size: bool) -> Result<()> {
    let rows = shown.map(|one| row(engine, one, with_size)).collect::<Result<Vec<_>>>()?;
    output::pretty(&rows)
}

fn row<'a>(engine: &Engine, one: &'a Summary, with_size: bool) -> Result<Row<'a>> {
    // What a listing does not read. A container that has just been removed, or is damaged, has none of it.
    let whole = engine.inspect(&one.id).ok();
    let size = match with_size {
        true => {
            Some(engine.size_of(one)?).map(|(rw_size, image)| Size { root_fs_size: image + rw_size, rw_size })
        }
        false => None,
    };
    let has_ended = one.finished.is_some() && !one.status.is_active();
    let command = whole.as_ref().map(|whole| [vec![whole.path.clone()], whole.args.clone()].concat());
    Ok(Row {
        auto_remove: whole.as_ref().is_some_and(|whole| whole.host_config.auto_remove),
        command: command.unwrap_or_default(),
        created_at: format!("{} ago", human::since(one.created)),
        exited: has_ended,
        exited_at: seconds(one.finished.filter(|_| has_ended)),
        exit_code: one.exit_code.unwrap_or(0),
        id: &one.id,
        image: super::images::full_name(&one.image),
        image_id: one.image_id.trim_start_matches("sha256:"),
        is_infra: false,
        labels: &one.labels,
        mounts: &one.mount_points,
        names: [&one.name],
        namespaces: BTreeMap::new(),
        networks: &one.networks,
        pid: whole.map_or(0, |whole| i64::from(whole.state.pid)),
        pod: "",
        pod_name: "",
        ports: one.published.iter().map(port).collect(),
        size,
        started_at: seconds(one.started),
        state: one.status.as_str(),
        status: one.status_text(SystemTime::now()),
        created: seconds(Some(one.created)),
    })
}

fn port(published: &hull_engine::PublishedPort) -> Port {
    let ip = published.host.ip();
    Port {
        host_ip: if ip.is_unspecified() { String::new() } else { ip.to_string() },
        container_port: published.container.number,
        host_port: published.host.port(),
        range: 1,
        protocol: published.container.transport.name(),
    }
}
