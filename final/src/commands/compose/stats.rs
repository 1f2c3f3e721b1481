//! `compose stats`: what the project's containers use.

use anyhow::Result;

use super::Session;
use super::containers::{OneOff, of_project};
use crate::cli::compose::list::Stats;
use crate::cli::resources;
use crate::commands::stats::stats_of;

pub fn stats(session: &Session<'_>, args: &Stats) -> Result<u8> {
    let name = session.project_name()?;
    let engine = session.engine()?;
    let services: Vec<String> = args.service.iter().cloned().collect();
    let shown = resources::Stats {
        all: args.all,
        format: args.format.clone(),
        interval: 1,
        latest: false,
        no_reset: false,
        no_stream: args.no_stream,
        no_trunc: args.no_trunc,
        names: vec![],
    };
    stats_of(&engine, &shown, &|| {
        let members = of_project(&engine, &name, OneOff::Include)?.into_iter();
        let shown = members.filter(|one| (args.all || one.is_active()) && one.is_of(&services));
        Ok(shown.map(|member| member.summary.id).collect())
    })
}
