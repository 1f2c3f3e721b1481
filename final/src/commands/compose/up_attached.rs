//! `up` without `--detach`: which services are shown, and what starts, stops and kills them.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::{Result, bail};
use hull_compose::observe::observe;
use hull_compose::scope::Scope;
use hull_composefile::model::Project;

use super::Session;
use super::attached::{Attached, OnExit};
use super::watching::{Reaction, Watching};
use super::work::{Settings, Work, timeout};
use crate::cli::compose::up::Up;
use crate::ui::compose::display;
use crate::ui::errors;
use crate::ui::hints::Code;

/// Starts the containers, which have been created, and shows what they print.
pub fn run(session: &Session<'_>, args: &Up, work: &Work<'_>, project: &Project) -> Result<u8> {
    let shown = shown(args, project)?;
    let services = match args.services.is_empty() {
        true => shown.clone(),
        false => args.services.iter().cloned().collect(),
    };
    let on_exit = match (args.abort_on_container_failure, &args.exit_code_from) {
        (true, _) => OnExit::StopAfterFailure,
        (false, None) if !args.abort_on_container_exit => OnExit::Ignore,
        (false, _) => OnExit::Stop,
    };
    let settings = Settings { timeout: timeout(args.timeout), ..Settings::default() };
    let engine = &work.engine;
    let scope = Scope::of_files(project)?;
    let look = || observe(engine, &project.name);
    let report: fn(&anyhow::Error) -> u8 = |error| errors::report(error, Code::Plain);
    let watching = match args.watch {
        true => {
            let reaction = Reaction { work, project, prune: false, report };
            let mut watching = Watching::begin(reaction, &[], !args.recreate.no_build)?;
            watching.look_at_present_files()?;
            Some(watching)
        }
        false => None,
    };
    Attached {
        engine,
        project: project.name.clone(),
        services,
        shown,
        settings: display::Settings {
            style: session.style()?,
            no_color: args.no_color,
            no_prefix: args.no_log_prefix,
            is_split: true,
        },
        timestamps: args.timestamps,
        on_exit,
        exit_code_from: args.exit_code_from.clone(),
        start: &|progress| {
            Ok(work.apply(settings, progress).start_services(&scope, &look()?, Instant::now())?)
        },
        stop: &|progress| {
            Ok(work.apply(settings, progress).stop_services(&scope, &look()?, &args.services)?)
        },
        kill: &|progress| {
            let mut apply = work.apply(settings, progress);
            apply.kill_services(&scope, &look()?, &args.services, "SIGKILL", false)?;
            Ok(())
        },
        report,
    }
    .run(watching)
}

/// The services whose output is shown: those that are named, or all that are to be attached to.
fn shown(args: &Up, project: &Project) -> Result<BTreeSet<String>> {
    let mut shown = BTreeSet::new();
    if args.attach.is_empty() {
        let mut left: Vec<String> = match args.services.is_empty() {
            true => project.services.keys().cloned().collect(),
            false => args.services.clone(),
        };
        let mut seen = BTreeSet::new();
        while let Some(name) = left.pop() {
            let Some(service) = project.services.get(&name).filter(|_| seen.insert(name.clone())) else {
                continue;
            };
            if service.attach != Some(false) {
                shown.insert(name);
            }
            if args.attach_dependencies {
                left.extend(service.depends_on.keys().cloned());
            }
        }
    } else {
        shown.extend(args.attach.iter().cloned());
        let unknown: Vec<&str> =
            shown.iter().filter(|name| !project.services.contains_key(*name)).map(String::as_str).collect();
        if !unknown.is_empty() {
            bail!("cannot attach to services not included in up: {}", unknown.join(", "));
        }
    }
    shown.retain(|name| !args.no_attach.contains(name));
    Ok(shown)
}

/// `--exit-code-from` names a service of the project.
pub fn check(args: &Up, project: &Project) -> Result<()> {
    match args.exit_code_from.as_ref().filter(|name| !project.services.contains_key(*name)) {
        Some(name) => bail!("no such service: {name}: not found"),
        None => Ok(()),
    }
}
