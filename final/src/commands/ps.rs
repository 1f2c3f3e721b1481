//! `ps`: the list of containers.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use hull_docker::size;
use hull_docker::time;
use hull_engine::{Engine, HealthStatus, Status, Summary};
use hull_image::Digest;
use hull_network::ports::Port;
use serde::Serialize;

use super::filter::checked;
use super::podman;
use crate::cli::container::Ps;
use crate::persona::Persona;
use crate::ui::list::{self, Columns};
use hull_docker::filters::container::{Container, ContainerFilters};
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
    let all = engine.list()?;
    let listed = all.iter().filter(|one| args.all || one.status.is_active());
    super::say_what_is_damaged(listed.map(|one| (&*one.name, one.damage.as_deref())), "hull rm -f");
    let filters = Wanted::parse(&args.filter, &all, engine)?;
    let last = args.last.or(args.latest.then_some(1));
    let by_state = filters.filters.say_states();
    let shown = all
        .iter()
        .filter(|one| args.all || last.is_some() || by_state || one.status.is_active())
        .filter(|one| filters.fit(one))
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

/// docker's column: the size of what the container has written, and the size with its image.
fn size(engine: &Engine, one: &Summary) -> Result<String> {
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
            status: status(one),
            size,
            names: one.name.clone(),
            labels: human::labels(&one.labels),
            local_volumes: volumes.to_string(),
            mounts: mounts.join(","),
            networks: one.networks.join(","),
        }
    }
}

/// docker's texts: `Up 5 minutes (Paused)`, `Exited (0) 2 hours ago`.
pub fn status(one: &Summary) -> String {
    let since = |time: Option<SystemTime>| time.map_or("Less than a second".into(), human::since);
    let code = one.exit_code.unwrap_or(0);
    if one.damage.is_some() {
        // docker's state for a container that can only be removed.
        return match one.status.is_active() {
            true => format!("Up {} (damaged)", since(one.started)),
            false => "Dead (damaged)".into(),
        };
    }
    match one.status {
        Status::Created => "Created".into(),
        Status::Running => match one.health {
            None => format!("Up {}", since(one.started)),
            Some(HealthStatus::Starting) => format!("Up {} (health: starting)", since(one.started)),
            Some(health) => format!("Up {} ({})", since(one.started), health.as_str()),
        },
        Status::Paused => format!("Up {} (Paused)", since(one.started)),
        Status::Restarting => format!("Restarting ({code}) {} ago", since(one.finished)),
        Status::Exited | Status::Dead => format!("Exited ({code}) {} ago", since(one.finished)),
    }
}

/// The filters, with the containers and images that they name resolved.
pub struct Wanted {
    filters: ContainerFilters,
    /// When the container that `before` or `since` names was created.
    before: Vec<SystemTime>,
    since: Vec<SystemTime>,
    /// `None` matches any.
    ancestors: Option<Vec<Ancestor>>,
}

/// The image that the name refers to at the moment.
struct Ancestor {
    id: String,
    /// Its highest layer. An image that is based on it has this layer and more.
    top: Option<String>,
}

impl Wanted {
    pub fn parse(texts: &[String], all: &[Summary], engine: &Engine) -> Result<Self> {
        let filters = checked(texts, ContainerFilters::parse(texts))?;
        let created = |name: &str| {
            let named = |one: &&Summary| one.name == name.trim_start_matches('/') || one.id.starts_with(name);
            let one = all.iter().find(named).with_context(|| format!("No such container: {name}"))?;
            Ok(one.created)
        };
        // As in docker, an image that does not exist has no containers.
        let known = filters.ancestors().filter_map(|name| engine.images().identity(name).ok());
        let ancestor = |(id, top): (Digest, Option<Digest>)| Ancestor {
            id: id.to_string(),
            top: top.map(|top| top.hex().to_owned()),
        };
        let ancestors = filters.ancestors().next().is_some().then(|| known.map(ancestor).collect());
        let before = filters.before().map(created).collect::<Result<_>>()?;
        let since = filters.since().map(created).collect::<Result<_>>()?;
        Ok(Self { before, since, ancestors, filters })
    }

    pub fn fit(&self, one: &Summary) -> bool {
        let mounts: Vec<&str> = one.mounts.iter().chain(&one.mount_points).map(String::as_str).collect();
        let inside = |port: &Port| (port.number, port.transport.name());
        let published: Vec<_> =
            one.published.iter().map(|port| (port.host.port(), port.container.transport.name())).collect();
        let exposed = one.exposed.iter().chain(one.published.iter().map(|port| &port.container));
        let exposed: Vec<_> = exposed.map(inside).collect();
        self.filters.fit(Container {
            id: &one.id,
            name: &one.name,
            labels: &one.labels,
            state: one.status.as_str(),
            health: one.health.map_or("none", HealthStatus::as_str),
            exit_code: one.exit_code.filter(|_| one.status == Status::Exited),
            mounts: &mounts,
            networks: &one.networks,
            network_ids: &one.network_ids,
            published: &published,
            exposed: &exposed,
        }) && self.before.iter().all(|bound| one.created < *bound)
            && self.since.iter().all(|bound| one.created > *bound)
            && self.ancestors.as_ref().is_none_or(|all| all.iter().any(|ancestor| ancestor.is_of(one)))
    }
}

impl Ancestor {
    fn is_of(&self, one: &Summary) -> bool {
        let is_layer = |layer: &PathBuf| {
            let chain = layer.parent().and_then(Path::file_name).and_then(OsStr::to_str);
            chain.is_some() && chain == self.top.as_deref()
        };
        // An image with the same layers is not based on it.
        let below = one.layers.split_last().map_or(&[][..], |(_, below)| below);
        one.image_id == self.id || below.iter().any(is_layer)
    }
}
