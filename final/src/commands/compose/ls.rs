//! `compose ls`: the projects that have containers.

use std::collections::BTreeMap;

use anyhow::Result;
use hull_compose::labels;
use hull_docker::filters::project::ProjectFilters;
use serde::Serialize;

use super::Session;
use super::containers::{Member, of_all_projects};
use super::table;
use crate::cli::compose::list::Ls;
use crate::ui::{errors, output};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    name: String,
    status: String,
    config_files: String,
}

pub fn ls(session: &Session<'_>, args: &Ls) -> Result<u8> {
    let filters = ProjectFilters::parse(&args.filter).map_err(anyhow::Error::msg)?;
    let mut projects: BTreeMap<String, Vec<Member>> = BTreeMap::new();
    for member in of_all_projects(&session.engine()?)? {
        if args.all || member.is_active() {
            let project = member.container.label(labels::PROJECT).unwrap_or_default().to_owned();
            projects.entry(project).or_default().push(member);
        }
    }
    projects.retain(|name, _| filters.fit(name));
    if args.quiet {
        projects.keys().try_for_each(output::line)?;
        return Ok(0);
    }
    let row = |(name, members): (String, Vec<Member>)| {
        let (status, config_files) = (status(&members), config_files(&members));
        Row { name, status, config_files }
    };
    let rows: Vec<Row> = projects.into_iter().map(row).collect();
    let cells = rows.iter().map(|row| vec![row.name.clone(), row.status.clone(), row.config_files.clone()]);
    table::print(&rows, &args.format, &["NAME", "STATUS", "CONFIG FILES"], cells.collect())?;
    Ok(0)
}

/// `exited(1), running(2)`.
fn status(members: &[Member]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    members.iter().for_each(|member| *counts.entry(member.summary.status.as_str()).or_default() += 1);
    let counts: Vec<String> = counts.iter().map(|(state, count)| format!("{state}({count})")).collect();
    counts.join(", ")
}

/// The files of all its containers, which differ if some were made from others.
fn config_files(members: &[Member]) -> String {
    let mut files: Vec<&str> = Vec::new();
    for member in members {
        let Some(own) = member.container.label(labels::CONFIG_FILES) else {
            let name = &member.summary.name;
            errors::warn(
                &format!("container {name} does not say which compose files it was made from"),
                "a program that is not Compose has made it",
            );
            return "N/A".into();
        };
        for file in own.split(',') {
            if !files.contains(&file) {
                files.push(file);
            }
        }
    }
    files.join(",")
}
