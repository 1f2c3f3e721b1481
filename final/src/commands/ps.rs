//! `ps`: containers as rows.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, anyhow, bail};
use hull_docker::size;
use hull_docker::time;
use hull_engine::{Engine, PublishedPort, Status, Summary};
use hull_image::Digest;
use serde::Serialize;

use super::filter::parse;
use crate::cli::container::Ps;
use crate::ui::list::{self, Columns};
use hull_docker::filters::{Filters, Keys, PortRange};
use hull_printable as printable;

use crate::ui::{human, output};

const COLUMNS: Columns = Columns {
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
    let by_state = filters.has("status") || filters.has("exited");
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
    // Measuring takes a walk through all that a container has written.
    let measured = args.size || args.format.as_ref().is_some_and(|format| format.contains(".Size"));
    let rows = shown.map(|one| {
        let size = if measured { size(engine, one)? } else { "0B".into() };
        Ok(Row::of(one, size, args.no_trunc))
    });
    let rows = rows.collect::<Result<Vec<Row>>>()?;
    let columns = if args.size { WITH_SIZE } else { COLUMNS };
    list::print(columns, &rows, args.format.as_deref())?;
    Ok(0)
}

/// docker's: what the container has written, and with its image.
fn size(engine: &Engine, one: &Summary) -> Result<String> {
    let (written, image) = engine.size_of(one)?;
    Ok(match image {
        0 => size::human(written),
        image => format!("{} (virtual {})", size::human(written), size::human(written + image)),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
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
    fn of(one: &Summary, size: String, no_trunc: bool) -> Self {
        let cut = |text: &str, width| if no_trunc { text.to_owned() } else { human::shorten(text, width) };
        let mounts: Vec<String> = one.mounts.iter().map(|mount| cut(mount, 15)).collect();
        let volumes = one.mounts.iter().filter(|mount| !mount.starts_with('/')).count();
        Self {
            id: if no_trunc { one.id.clone() } else { human::short_id(&one.id).to_owned() },
            image: one.image.clone(),
            command: printable::quoted(&cut(&one.command, 20)),
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

/// docker's words: `Up 5 minutes (Paused)`, `Exited (0) 2 hours ago`.
fn status(one: &Summary) -> String {
    let since = |time: Option<SystemTime>| time.map_or("Less than a second".into(), human::since);
    let code = one.exit_code.unwrap_or(0);
    if one.damage.is_some() {
        // docker's word for what can only be removed.
        return match one.status.is_active() {
            true => format!("Up {} (damaged)", since(one.started)),
            false => "Dead (damaged)".into(),
        };
    }
    match one.status {
        Status::Created => "Created".into(),
        Status::Running => format!("Up {}", since(one.started)),
        Status::Paused => format!("Up {} (Paused)", since(one.started)),
        Status::Restarting => format!("Restarting ({code}) {} ago", since(one.finished)),
        Status::Exited | Status::Dead => format!("Exited ({code}) {} ago", since(one.finished)),
    }
}

const KEYS: Keys = Keys {
    words: &[
        "label", "status", "ancestor", "exited", "before", "since", "volume", "network", "publish", "expose",
        "health",
    ],
    patterns: &["id", "name"],
    flags: &["is-task"],
};

const STATES: &[&str] = &["created", "restarting", "running", "removing", "paused", "exited", "dead"];
const HEALTH: &[&str] = &["starting", "healthy", "unhealthy", "none"];

/// The filters whose values have to be looked up or read first.
struct Wanted {
    filters: Filters,
    /// When the container that `before` or `since` names was created.
    before: Vec<SystemTime>,
    since: Vec<SystemTime>,
    ancestors: Vec<Ancestor>,
    publish: Vec<PortRange>,
    expose: Vec<PortRange>,
}

/// An image by what its name means today.
struct Ancestor {
    id: String,
    /// Its highest layer; what is made on it has that one and more.
    top: Option<String>,
}

impl Wanted {
    fn parse(texts: &[String], all: &[Summary], engine: &Engine) -> Result<Self> {
        let filters = parse(texts, KEYS)?;
        for (key, allowed) in [("status", STATES), ("health", HEALTH)] {
            if let Some(value) = filters.values(key).find(|value| !allowed.contains(value)) {
                bail!("invalid filter \"{key}={value}\": it is one of {}", allowed.join(", "));
            }
        }
        if let Some(value) = filters.values("exited").find(|value| value.parse::<i32>().is_err()) {
            bail!("invalid filter \"exited={value}\": not an exit code");
        }
        let created = |key: &str| {
            let found = filters.values(key).map(|name| {
                let named =
                    |one: &&Summary| one.name == name.trim_start_matches('/') || one.id.starts_with(name);
                let one = all.iter().find(named).with_context(|| format!("No such container: {name}"))?;
                Ok(one.created)
            });
            found.collect::<Result<Vec<_>>>()
        };
        let ports = |key: &str| {
            let ranges = filters.values(key).map(PortRange::parse).collect::<Result<Vec<_>, _>>();
            ranges.map_err(|why| anyhow!("invalid filter {key}: {why}"))
        };
        // docker's rule: of an image that is not there nothing was made.
        let known = filters.values("ancestor").filter_map(|name| engine.images().identity(name).ok());
        let ancestor = |(id, top): (Digest, Option<Digest>)| Ancestor {
            id: id.to_string(),
            top: top.map(|top| top.hex().to_owned()),
        };
        let (before, since) = (created("before")?, created("since")?);
        let (publish, expose) = (ports("publish")?, ports("expose")?);
        let ancestors = known.map(ancestor).collect();
        Ok(Self { before, since, ancestors, publish, expose, filters })
    }

    fn has(&self, key: &str) -> bool {
        self.filters.has(key)
    }

    fn fit(&self, one: &Summary) -> bool {
        let filters = &self.filters;
        let slashed = format!("/{}", one.name);
        let code = one.exit_code.filter(|_| one.status == Status::Exited).map(|code| code.to_string());
        let has_port = self.publish.is_empty() && self.expose.is_empty() || self.fits_port(one);
        filters.matches("id", &[&one.id])
            && filters.matches("name", &[&one.name, &slashed])
            && filters.labels_fit(&one.labels)
            && filters.any("status", |state| one.status.as_str() == state)
            && filters.any("exited", |wanted| code.as_deref() == Some(wanted))
            // Nothing here is checked for its health, nor belongs to a swarm.
            && filters.any("health", |health| health == "none")
            && filters.flag("is-task") != Some(true)
            && filters.any("volume", |volume| {
                one.mounts.iter().chain(&one.mount_points).any(|mount| mount == volume)
            })
            && filters.any("network", |network| {
                one.networks.iter().any(|name| name == network)
                    || one.network_ids.iter().any(|id| id.starts_with(network))
            })
            && self.before.iter().all(|bound| one.created < *bound)
            && self.since.iter().all(|bound| one.created > *bound)
            && (!filters.has("ancestor") || self.ancestors.iter().any(|ancestor| ancestor.is_of(one)))
            && has_port
    }

    fn fits_port(&self, one: &Summary) -> bool {
        let published = |range: &PortRange| {
            let on_host = |port: &PublishedPort| (port.host.port(), port.container.transport.to_string());
            one.published.iter().map(on_host).any(|(port, protocol)| range.has(port, &protocol))
        };
        let exposed = |range: &PortRange| {
            let inside = one.exposed.iter().chain(one.published.iter().map(|port| &port.container));
            inside.into_iter().any(|port| range.has(port.number, &port.transport.to_string()))
        };
        self.publish.iter().any(published) || self.expose.iter().any(exposed)
    }
}

impl Ancestor {
    fn is_of(&self, one: &Summary) -> bool {
        let is_layer = |layer: &PathBuf| {
            let chain = layer.parent().and_then(Path::file_name).and_then(OsStr::to_str);
            chain.is_some() && chain == self.top.as_deref()
        };
        // An image of the same layers is a sibling, and no child.
        let below = one.layers.split_last().map_or(&[][..], |(_, below)| below);
        one.image_id == self.id || below.iter().any(is_layer)
    }
}
