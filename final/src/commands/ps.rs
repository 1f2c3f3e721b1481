//! `ps`: containers as rows.

use std::time::SystemTime;

use anyhow::{Result, bail};
use hull_engine::{Engine, Status, Summary};
use serde_json::{Value, json};

use crate::cli::container::Ps;
use crate::ui::list::{self, Columns};
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

pub fn ps(engine: &Engine, args: &Ps) -> Result<u8> {
    let all = engine.list()?;
    let filters = Filters::parse(&args.filter, &all)?;
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
    let rows: Vec<Value> = shown.map(|one| row(one, args.no_trunc)).collect();
    list::print(COLUMNS, &rows, args.format.as_deref())?;
    Ok(0)
}

fn row(one: &Summary, no_trunc: bool) -> Value {
    let cut = |text: &str, width| if no_trunc { text.to_owned() } else { human::shorten(text, width) };
    let labels: Vec<String> = one.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let mounts: Vec<String> = one.mounts.iter().map(|mount| cut(mount, 15)).collect();
    json!({
        "ID": if no_trunc { &one.id } else { human::short_id(&one.id) },
        "Image": one.image,
        "Command": format!("\"{}\"", cut(&one.command, 20)),
        "CreatedAt": human::time(one.created),
        "RunningFor": format!("{} ago", human::since(one.created)),
        "Ports": one.ports,
        "State": one.status.as_str(),
        "Status": status(one),
        "Size": "0B",
        "Names": one.name,
        "Labels": labels.join(","),
        "LocalVolumes": one.mounts.iter().filter(|mount| !mount.starts_with('/')).count().to_string(),
        "Mounts": mounts.join(","),
        "Networks": one.networks.join(","),
    })
}

/// docker's words: `Up 5 minutes (Paused)`, `Exited (0) 2 hours ago`.
fn status(one: &Summary) -> String {
    let since = |time: Option<SystemTime>| time.map_or("Less than a second".into(), human::since);
    let code = one.exit_code.unwrap_or(0);
    match one.status {
        Status::Created => "Created".into(),
        Status::Running => format!("Up {}", since(one.started)),
        Status::Paused => format!("Up {} (Paused)", since(one.started)),
        Status::Restarting => format!("Restarting ({code}) {} ago", since(one.finished)),
        Status::Exited | Status::Dead => format!("Exited ({code}) {} ago", since(one.finished)),
    }
}

/// `--filter`: of one key any may fit, of several keys all must.
struct Filters<'a> {
    given: Vec<(&'a str, &'a str)>,
    /// When the container that `before` or `since` names was created.
    bounds: Vec<(&'a str, SystemTime)>,
}

impl<'a> Filters<'a> {
    fn parse(texts: &'a [String], all: &[Summary]) -> Result<Self> {
        let mut filters = Self { given: vec![], bounds: vec![] };
        for text in texts {
            let Some((key, value)) = text.split_once('=') else {
                bail!("invalid filter {text:?}: expected KEY=VALUE");
            };
            match key {
                "before" | "since" => {
                    let named = |one: &&Summary| one.name == value || one.id.starts_with(value);
                    let Some(one) = all.iter().find(named) else { bail!("No such container: {value}") };
                    filters.bounds.push((key, one.created));
                }
                "exited" if value.parse::<u8>().is_err() => {
                    bail!("invalid filter {text:?}: not an exit code")
                }
                "status" if !STATES.contains(&value) => {
                    bail!("invalid filter {text:?}: a status is one of {}", STATES.join(", "))
                }
                "id" | "name" | "label" | "status" | "ancestor" | "exited" | "volume" | "network" => {
                    filters.given.push((key, value));
                }
                _ => bail!(
                    "invalid filter {text:?}: there are id, name, label, status, ancestor, exited, before, since, volume and network"
                ),
            }
        }
        Ok(filters)
    }

    fn has(&self, key: &str) -> bool {
        self.given.iter().any(|(given, _)| *given == key)
    }

    fn fit(&self, one: &Summary) -> bool {
        let in_bounds = self.bounds.iter().all(|(key, at)| match *key {
            "before" => one.created < *at,
            _ => one.created > *at,
        });
        in_bounds
            && self.given.iter().all(|(key, _)| {
                // Labels must all fit; of everything else any may.
                let mut same = self.given.iter().filter(|(other, _)| other == key);
                match *key {
                    "label" => same.all(|(key, value)| fits(one, key, value)),
                    _ => same.any(|(key, value)| fits(one, key, value)),
                }
            })
    }
}

const STATES: &[&str] = &["created", "restarting", "running", "removing", "paused", "exited", "dead"];

fn fits(one: &Summary, key: &str, value: &str) -> bool {
    match key {
        "id" => one.id.starts_with(value),
        "name" => one.name.contains(value.trim_start_matches('/')),
        "label" => match value.split_once('=') {
            Some((key, value)) => one.labels.get(key).is_some_and(|own| own == value),
            None => one.labels.contains_key(value),
        },
        "status" => one.status.as_str() == value,
        "ancestor" => one.image == value || one.image_id.trim_start_matches("sha256:").starts_with(value),
        "exited" => {
            one.status == Status::Exited
                && one.exit_code.map(|code| code.to_string()).as_deref() == Some(value)
        }
        "volume" => one.mounts.iter().any(|mount| mount == value),
        _ => one.networks.iter().any(|network| network == value),
    }
}
