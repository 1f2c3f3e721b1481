//! `ps`: the list of containers.

use std::time::SystemTime;

use anyhow::{Result, bail};
use hull_docker::filters::container::ContainerFilters;
use hull_docker::size;
use hull_docker::time;
use hull_engine::{Engine, Selection, Summary};
use serde::Serialize;

use super::filter::checked;
use super::instances;
use super::podman;
use crate::cli::container::Ps;
use crate::persona::Persona;
use crate::ui::list::{self, Columns};
use hull_printable as printable;

use crate::ui::{human, output};

pub(super) const COLUMNS: Columns = Columns {
    titles: &[
        ("ID", "CONTAINER ID"),
        ("Image", "IMAGE"),
        ("Command", "COMMAND"),
        ("CreatedAt", "CREATED AT"),
        ("RunningFor", "CREATED"),
        ("Ports", "PORTS"),
        ("State", "STATE"),
        ("Status", "STATUS"),
        ("Size", "SIZE"),
        ("Names", "NAMES"),
        ("Labels", "LABELS"),
        ("Mounts", "MOUNTS"),
        ("LocalVolumes", "LOCAL VOLUMES"),
        ("Networks", "NETWORKS"),
    ],
    shown: &["ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names"],
};

const WITH_SIZE: Columns = Columns {
    shown: &["ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names", "Size"],
    ..COLUMNS
};

pub fn ps(engine: &Engine, args: &Ps) -> Result<u8> {
    let is_lxds = args.columns.is_some() || args.fast;
    if is_lxds && args.filter.is_empty() {
        return instances::list(engine, &lxds(args));
    }
    let all = engine.list()?;
    let listed = all.iter().filter(|one| args.all || is_lxds || one.status.is_active());
    super::say_what_is_damaged(listed.map(|one| (&*one.name, one.damage.as_deref())), "hull rm -f");
    let selection = select(engine, &args.filter, &all)?;
    if is_lxds {
        let fitting: Vec<Summary> = all.into_iter().filter(|one| selection.fits(one)).collect();
        return instances::list_of(engine, &lxds(args), &fitting);
    }
    if let Some(word) = args.words.first() {
        bail!(
            "hull ps takes no argument {word:?}: filters are --filter, and LXD's go with --columns or --fast"
        );
    }
    let last = args.last.or(args.latest.then_some(1));
    let by_state = selection.says_states();
    let shown = all
        .iter()
        .filter(|one| args.all || last.is_some() || by_state || one.status.is_active())
        .filter(|one| selection.fits(one))
        .take(last.unwrap_or(usize::MAX));
    if args.quiet {
        for one in shown {
            output::line(if args.no_trunc { &one.id } else { human::short_id(&one.id) })?;
        }
        return Ok(0);
    }
    if podman::containers::are_wanted(args.format.as_deref(), &args.filter) {
        podman::containers::print(engine, shown, args.size)?;
        return Ok(0);
    }
    // Measured only if needed, because it walks through all files that the container has written.
    let measured = args.size || args.format.as_ref().is_some_and(|format| format.contains(".Size"));
    let rows = shown.map(|one| {
        let size = if measured { size(engine, one)? } else { "0B".into() };
        Ok(Row::of(one, size, args.no_trunc))
    });
    let rows = rows.collect::<Result<Vec<Row>>>()?;
    let columns = if args.size { WITH_SIZE } else { COLUMNS };
    list::print_as(columns, &rows, args.format.as_deref(), args.noheading)?;
    Ok(0)
}

/// LXD's list has other columns, filters and formats.
fn lxds(args: &Ps) -> instances::Request<'_> {
    instances::Request {
        columns: args.columns.as_deref(),
        fast: args.fast,
        format: args.format.as_deref(),
        filters: &args.words,
    }
}

/// The filters of `--filter`.
pub fn select(engine: &Engine, texts: &[String], all: &[Summary]) -> Result<Selection> {
    Ok(engine.select(checked(texts, ContainerFilters::parse(texts))?, all)?)
}

/// docker's column: the size of what the container has written, and the size with its image.
pub(super) fn size(engine: &Engine, one: &Summary) -> Result<String> {
    let (written, image) = engine.size_of(one)?;
    Ok(match image {
        0 => size::human(written),
        image => format!("{} (virtual {})", size::human(written), size::human(written + image)),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Row {
    #[serde(rename = "ID")]
    id: String,
    image: String,
    command: String,
    created_at: String,
    running_for: String,
    ports: String,
    state: &'static str,
    status: String,
    size: String,
    names: String,
    labels: String,
    local_volumes: String,
    mounts: String,
    networks: String,
}

impl Row {
    pub(super) fn of(one: &Summary, size: String, no_trunc: bool) -> Self {
        let cut = |text: &str, width| if no_trunc { text.to_owned() } else { human::shorten(text, width) };
        let mounts: Vec<String> = one.mounts.iter().map(|mount| cut(mount, 15)).collect();
        let volumes = one.mounts.iter().filter(|mount| !mount.starts_with('/')).count();
        Self {
            id: if no_trunc { one.id.clone() } else { human::short_id(&one.id).to_owned() },
            image: if Persona::is_podman() {
                podman::images::full_name(&one.image)
            } else {
                one.image.clone()
            },
            command: match Persona::is_podman() {
                true => cut(&one.command, 20),
                false => printable::quoted(&cut(&one.command, 20)),
            },
            created_at: time::go(one.created),
            running_for: format!("{} ago", human::since(one.created)),
            ports: one.ports.clone(),
            state: one.status.as_str(),
            status: one.status_text(SystemTime::now()),
            size,
            names: one.name.clone(),
            labels: human::labels(&one.labels),
            local_volumes: volumes.to_string(),
            mounts: mounts.join(","),
            networks: one.networks.join(","),
        }
    }
}
