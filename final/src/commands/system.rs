//! `system`: checks, disk usage and pruning of the whole state root.

use anyhow::{Result, bail};
use hull_engine::Engine;
use hull_image::check::CheckOptions;

use super::{df, events, info, open, prune, registry, serve};
use crate::cli::Global;
use crate::cli::system::{Check, System};
use crate::ui::output;

pub fn run(global: &Global, verb: &System) -> Result<u8> {
    match verb {
        System::Check(args) => check(&open(global)?, args),
        System::Df(args) => df::df(&open(global)?, args),
        System::DialStdio(_) => serve::dial_stdio(global),
        System::Events(args) => events::events(&open(global)?, args),
        System::Info(args) => info::info(&open(global)?, args),
        System::Prune(args) => prune::everything(&open(global)?, args),
        System::Service(args) => serve::service(global, args),
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
        bail!("the store is damaged: hull system check --repair downloads the damaged parts again");
    }
    Ok(u8::from(left))
}
