//! `compose volumes`: the project's volumes.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use hull_compose::labels;

use super::Session;
use super::containers::{OneOff, of_project};
use crate::cli::compose::list::Volumes;
use crate::commands::volume::{COLUMNS, Row};
use crate::ui::{list, output};

pub fn volumes(session: &Session<'_>, args: &Volumes) -> Result<u8> {
    let (name, declared) = session.name_and_services(&args.services)?;
    if let Some(declared) = declared
        && let Some(unknown) = args.services.iter().find(|service| !declared.contains(service))
    {
        bail!("no such service: {unknown}");
    }
    let engine = session.engine()?;
    let mut volumes = engine.volumes().list()?;
    volumes.retain(|volume| volume.labels.get(labels::PROJECT) == Some(&name));
    if !args.services.is_empty() {
        let members = of_project(&engine, &name, OneOff::Include)?;
        let members = members.iter().filter(|one| one.is_active() && one.is_of(&args.services));
        let used: BTreeSet<&String> = members.flat_map(|member| &member.summary.mounts).collect();
        volumes.retain(|volume| used.contains(&volume.name));
    }
    volumes.sort_by(|one, other| one.name.cmp(&other.name));
    if args.quiet {
        volumes.iter().try_for_each(|volume| output::line(&volume.name))?;
        return Ok(0);
    }
    let rows: Vec<Row> = volumes.into_iter().map(Row::of).collect();
    list::print(COLUMNS, &rows, Some(&args.format))?;
    Ok(0)
}
