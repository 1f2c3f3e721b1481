//! `system`: checks, disk usage and pruning of the whole state root.

use anyhow::{Result, bail};
use hull_docker::size;
use hull_engine::{Engine, PruneOptions};
use hull_image::check::CheckOptions;
use serde::Serialize;

use super::{events, info, registry};
use crate::cli::system::{Check, Format, Prune, System};
use crate::ui::list::{self, Columns};
use crate::ui::output;

pub fn run(engine: &Engine, verb: &System) -> Result<u8> {
    match verb {
        System::Check(args) => check(engine, args),
        System::Df(args) => df(engine, args),
        System::Events(args) => events::events(engine, args),
        System::Info(args) => info::info(engine, args),
        System::Prune(args) => prune(engine, args),
    }
}

/// Exits with 1 if something is damaged and was not repaired.
fn check(engine: &Engine, args: &Check) -> Result<u8> {
    let access = if args.repair { Some(registry::access(&args.access)?) } else { None };
    let problems = engine.images().check(CheckOptions { repair: access.as_ref(), quick: args.quick })?;
    for problem in &problems {
        let repaired = if problem.repaired { " (repaired)" } else { "" };
        output::line(format!("{}{repaired}", problem.what))?;
    }
    if problems.is_empty() {
        output::line("The store is what it should be.")?;
    }
    let left = problems.iter().any(|problem| !problem.repaired);
    if left && !args.repair {
        bail!("the store is damaged: hull system check --repair fetches again what a registry has");
    }
    Ok(u8::from(left))
}

fn prune(engine: &Engine, args: &Prune) -> Result<u8> {
    let mut warning = String::from("WARNING! This will remove:\n  - all stopped containers\n");
    warning.push_str("  - all networks not used by at least one container\n");
    if args.volumes {
        warning.push_str("  - all anonymous volumes not used by at least one container\n");
    }
    warning.push_str(match args.all {
        true => "  - all images without at least one container associated to them\n",
        false => "  - all dangling images\n",
    });
    if !args.force && !output::confirm(&warning)? {
        return Ok(0);
    }
    let pruned = engine.prune(PruneOptions { all_images: args.all, volumes: args.volumes })?;
    for (title, prefix, ids) in [
        ("Deleted Containers:", "", &pruned.containers),
        ("Deleted Networks:", "", &pruned.networks),
        ("Deleted Volumes:", "", &pruned.volumes),
        ("Deleted Images:", "deleted: ", &pruned.images),
    ] {
        if !ids.is_empty() {
            output::line(title)?;
            ids.iter().try_for_each(|id| output::line(format!("{prefix}{id}")))?;
            output::line("")?;
        }
    }
    output::line(format!("Total reclaimed space: {}", size::human(pruned.bytes)))?;
    Ok(super::report_unpruned(pruned.errors))
}

const COLUMNS: Columns = Columns {
    titles: &[
        ("Type", "TYPE"),
        ("TotalCount", "TOTAL"),
        ("Active", "ACTIVE"),
        ("Size", "SIZE"),
        ("Reclaimable", "RECLAIMABLE"),
    ],
    shown: &["Type", "TotalCount", "Active", "Size", "Reclaimable"],
};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    #[serde(rename = "Type")]
    kind: &'static str,
    total_count: String,
    active: String,
    size: String,
    reclaimable: String,
}

fn df(engine: &Engine, args: &Format) -> Result<u8> {
    let rows: Vec<_> = engine
        .disk_usage()?
        .into_iter()
        .map(|usage| {
            let percent = (usage.reclaimable * 100).checked_div(usage.bytes).unwrap_or(0);
            Row {
                kind: usage.kind,
                total_count: usage.total.to_string(),
                active: usage.active.to_string(),
                size: size::human(usage.bytes),
                reclaimable: format!("{} ({percent}%)", size::human(usage.reclaimable)),
            }
        })
        .collect();
    list::print(COLUMNS, &rows, args.format.as_deref())?;
    Ok(0)
}
