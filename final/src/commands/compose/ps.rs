//! `compose ps`: the project's containers.

use std::time::SystemTime;

use anyhow::{Result, bail};
use hull_docker::time;
use hull_docker::wire::container::PortSummary;
use hull_engine::{Engine, Status};
use hull_printable as printable;
use serde::Serialize;

use super::Session;
use super::containers::{Member, OneOff, of_project};
use super::ports;
use crate::cli::compose::list::Ps;
use crate::ui::list::{self, Columns};
use crate::ui::{human, output};

const NO_TITLE: &str = "<no value>";

const COLUMNS: Columns = Columns {
    titles: &[
        ("ID", "CONTAINER ID"),
        ("Name", "NAME"),
        ("Project", "PROJECT"),
        ("Service", "SERVICE"),
        ("Image", "IMAGE"),
        ("Command", "COMMAND"),
        ("CreatedAt", "CREATED AT"),
        ("RunningFor", "CREATED"),
        ("Ports", "PORTS"),
        ("State", "STATE"),
        ("Status", "STATUS"),
        ("Size", "SIZE"),
        ("Labels", "LABELS"),
        // Compose has no titles for these.
        ("ExitCode", NO_TITLE),
        ("Health", NO_TITLE),
        ("LocalVolumes", NO_TITLE),
        ("Mounts", NO_TITLE),
        ("Names", NO_TITLE),
        ("Networks", NO_TITLE),
        ("Publishers", NO_TITLE),
    ],
    shown: &["Name", "Image", "Command", "Service", "RunningFor", "Status", "Ports"],
};

pub fn ps(session: &Session<'_>, args: &Ps) -> Result<u8> {
    let states = states(args)?;
    let (name, declared) = session.name_and_services(&args.names)?;
    let mut services = args.names.clone();
    if let Some(declared) = declared {
        if let Some(unknown) = args.names.iter().find(|name| !declared.contains(name)) {
            bail!("no such service: {unknown}");
        }
        if args.names.is_empty() && !args.orphans {
            services = declared;
        }
    }
    let engine = session.engine()?;
    let all = args.all || !states.is_empty();
    let one_off = if all { OneOff::Include } else { OneOff::Exclude };
    let mut members = of_project(&engine, &name, one_off)?;
    members.retain(|member| {
        let state = member.summary.status.as_str();
        (all || member.is_active())
            && member.is_of(&services)
            && (states.is_empty() || states.iter().any(|wanted| wanted == state))
    });
    members.sort_by(|one, other| one.summary.name.cmp(&other.summary.name));
    print(&engine, &members, args)
}

/// The states of `--status` and `--filter`.
fn states(args: &Ps) -> Result<Vec<String>> {
    let mut states = args.status.clone();
    match args.filter.as_deref().map(|filter| filter.split_once('=')) {
        None => {}
        Some(Some(("status", state))) => states.push(state.to_owned()),
        Some(Some(("source", _))) => bail!("--filter source=… is not implemented, in Compose neither"),
        Some(Some((key, _))) => bail!("unknown filter {key}"),
        Some(None) => bail!("arguments to --filter should be in form KEY=VAL"),
    }
    Ok(states)
}

fn print(engine: &Engine, members: &[Member], args: &Ps) -> Result<u8> {
    if args.quiet {
        members.iter().try_for_each(|member| output::line(&member.summary.id))?;
        return Ok(0);
    }
    if args.services {
        let mut services: Vec<&str> = Vec::new();
        for member in members {
            if !services.contains(&&*member.container.service) {
                services.push(&member.container.service);
            }
        }
        output::line(services.join("\n"))?;
        return Ok(0);
    }
    // Measured only if needed, because it walks through all files that the container has written.
    let is_measured = args.format.contains(".Size");
    let row = |member| Row::of(engine, member, args.no_trunc, is_measured);
    let rows = members.iter().map(row).collect::<Result<Vec<Row>>>()?;
    list::print(COLUMNS, &rows, Some(&args.format))?;
    Ok(0)
}

/// Compose's fields, which its JSON has in this order.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    command: String,
    created_at: String,
    exit_code: u8,
    health: &'static str,
    #[serde(rename = "ID")]
    id: String,
    image: String,
    labels: String,
    local_volumes: String,
    mounts: String,
    name: String,
    names: String,
    networks: String,
    ports: String,
    project: String,
    publishers: Vec<Publisher>,
    running_for: String,
    service: String,
    size: String,
    state: &'static str,
    status: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Publisher {
    #[serde(rename = "URL")]
    url: String,
    target_port: u16,
    published_port: u16,
    protocol: String,
}

impl From<PortSummary> for Publisher {
    fn from(port: PortSummary) -> Self {
        Self {
            url: port.ip,
            target_port: port.private_port,
            published_port: port.public_port.unwrap_or(0),
            protocol: port.kind,
        }
    }
}

impl Row {
    fn of(engine: &Engine, member: &Member, no_trunc: bool, is_measured: bool) -> Result<Self> {
        let one = &member.summary;
        let described = one.describe(SystemTime::now());
        let cut = |text: &str, width| if no_trunc { text.to_owned() } else { human::shorten(text, width) };
        let mounts = described.mounts.iter().map(|mount| mount.name.as_deref().unwrap_or(&mount.source));
        let mounts: Vec<String> = mounts.map(|mount| cut(mount, 15)).collect();
        let local = described.mounts.iter().filter(|mount| mount.driver.as_deref() == Some("local")).count();
        let mut ports = described.ports;
        ports.sort_by_key(|port| port.private_port);
        Ok(Self {
            command: printable::quoted(&cut(&one.command, 20)),
            created_at: time::go(one.created),
            exit_code: match one.status {
                Status::Exited | Status::Dead => one.exit_code.unwrap_or(0),
                _ => 0,
            },
            health: match one.status {
                Status::Running => one.health.map_or("", |health| health.as_str()),
                _ => "",
            },
            id: if no_trunc { one.id.clone() } else { human::short_id(&one.id).to_owned() },
            image: one.image.clone(),
            labels: human::labels(&one.labels),
            local_volumes: local.to_string(),
            mounts: mounts.join(","),
            name: one.name.clone(),
            names: one.name.clone(),
            networks: one.networks.join(","),
            ports: ports::column(&ports),
            project: member.container.label(hull_compose::labels::PROJECT).unwrap_or_default().to_owned(),
            publishers: ports.into_iter().map(Publisher::from).collect(),
            running_for: format!("{} ago", human::since(one.created)),
            service: member.container.service.clone(),
            size: match is_measured {
                true => crate::commands::ps::size(engine, one)?,
                false => "0B".into(),
            },
            state: one.status.as_str(),
            status: described.status,
        })
    }
}
