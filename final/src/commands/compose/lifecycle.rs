//! The verbs that make, start, stop and remove containers.

use std::time::Instant;

use anyhow::{Result, bail};
use hull_compose::diff;
use hull_compose::down::{DownOptions, WhichImages};
use hull_compose::lifecycle;
use hull_compose::plan::PlanOptions;
use hull_compose::up::UpOptions;

use super::Session;
use super::recreate::{confirm, ensure, plan_options, set_scale, set_up};
use super::work::{Ensure, Settings, Work, timeout};
use crate::cli::compose::lifecycle::{Create, Diff, Down, Kill, Restart, Rm, Scale, Services, Stop};
use crate::ui::output;

pub fn create(session: &Session<'_>, args: &Create) -> Result<u8> {
    let mut opened = session.load(&args.services)?;
    set_up(&mut opened.project, &args.recreate, &args.scale)?;
    let work = Work::of_files(session, opened.project, opened.env_files)?;
    let options = UpOptions {
        plan: plan_options(session, &args.recreate, &args.services),
        ignore_orphans: session.is_set("COMPOSE_IGNORE_ORPHANS"),
        ..UpOptions::default()
    };
    let code = work.ensure_images(ensure(&args.recreate))?;
    if code != 0 {
        return Ok(code);
    }
    session.show("Creating", |progress| {
        work.apply(Settings::default(), progress).prepare(&options, &mut confirm(args.recreate.yes))?;
        Ok(())
    })
}

pub fn diff(session: &Session<'_>, args: &Diff) -> Result<u8> {
    let opened = session.load(&args.services)?;
    let options = PlanOptions { services: args.services.clone(), ..PlanOptions::default() };
    let changes = diff::diff(&session.engine()?, &opened.project, &options)?;
    match args.format.as_str() {
        "json" => output::pretty(&changes)?,
        _ => output::text(&diff::text(&changes))?,
    }
    Ok(0)
}

pub fn down(session: &Session<'_>, args: &Down) -> Result<u8> {
    let images = match args.rmi.as_deref() {
        None | Some("") => None,
        Some("all") => Some(WhichImages::All),
        Some("local") => Some(WhichImages::Local),
        Some(other) => bail!("invalid value for --rmi: {other:?}"),
    };
    let (work, scope, _) = Work::of_files_or_name(session, &args.services)?;
    let options = DownOptions {
        services: args.services.clone(),
        remove_orphans: session.remove_orphans(args.remove_orphans),
        volumes: args.volumes,
        images,
    };
    let settings = Settings { timeout: timeout(args.timeout), ..Settings::default() };
    session.show("Running", |progress| Ok(work.apply(settings, progress).down(&scope, &options)?))
}

pub fn kill(session: &Session<'_>, args: &Kill) -> Result<u8> {
    let (work, scope, observed) = Work::of_files_or_name(session, &args.services)?;
    let orphans = session.remove_orphans(args.remove_orphans);
    session.show("Killing", |progress| {
        let mut apply = work.apply(Settings::default(), progress);
        if apply.kill_services(&scope, &observed, &args.services, &args.signal, orphans)? == 0 {
            progress.note("no container to kill");
        }
        Ok(())
    })
}

pub fn pause(session: &Session<'_>, args: &Services) -> Result<u8> {
    let (work, scope, observed) = Work::of_files_or_name(session, &args.services)?;
    session.show("Pausing", |progress| {
        Ok(work.apply(Settings::default(), progress).pause_services(&scope, &observed, &args.services)?)
    })
}

pub fn unpause(session: &Session<'_>, args: &Services) -> Result<u8> {
    let (work, scope, observed) = Work::of_files_or_name(session, &args.services)?;
    session.show("Running", |progress| {
        Ok(work.apply(Settings::default(), progress).unpause_services(&scope, &observed, &args.services)?)
    })
}

pub fn restart(session: &Session<'_>, args: &Restart) -> Result<u8> {
    // With all services, because those that depend on these may restart with them.
    let (work, scope, observed) = Work::of_files_or_name(session, &[])?;
    let settings = Settings { timeout: timeout(args.timeout), ..Settings::default() };
    session.show("Restarting", |progress| {
        let mut apply = work.apply(settings, progress);
        Ok(apply.restart_services(&scope, &observed, &args.services, !args.no_deps)?)
    })
}

pub fn rm(session: &Session<'_>, args: &Rm) -> Result<u8> {
    let (work, scope, mut observed) = Work::of_files_or_name(session, &args.services)?;
    if args.stop {
        let stopped = session.show("Stopping", |progress| {
            Ok(work.apply(Settings::default(), progress).stop_services(&scope, &observed, &args.services)?)
        })?;
        if stopped != 0 {
            return Ok(stopped);
        }
        if !work.session.args.dry_run {
            observed = hull_compose::observe::observe(&work.engine, &scope.name)?;
        }
    }
    let mut containers = lifecycle::stopped(&scope, &observed, &args.services);
    if args.stop && work.session.args.dry_run {
        containers = observed.containers.iter().filter(|one| !one.one_off).cloned().collect();
    }
    if containers.is_empty() {
        return session.show("Removing", |progress| {
            progress.note("No stopped containers");
            Ok(())
        });
    }
    let names: Vec<&str> = containers.iter().map(|one| one.name.as_str()).collect();
    let question = format!("Going to remove {}", names.join(", "));
    match args.force {
        true => output::line(&question)?,
        false if !output::confirm(&question)? => return Ok(0),
        false => {}
    }
    session.show("Removing", |progress| {
        let mut apply = work.apply(Settings::default(), progress);
        Ok(apply.remove_containers(&containers, args.force, args.volumes)?)
    })
}

pub fn scale(session: &Session<'_>, args: &Scale) -> Result<u8> {
    let services: Vec<String> =
        args.services.iter().map(|one| one.split('=').next().unwrap_or_default().to_owned()).collect();
    let mut opened = session.load_with(&services, args.no_deps)?;
    set_scale(&mut opened.project, &args.services)?;
    let work = Work::of_files(session, opened.project, opened.env_files)?;
    let plan = PlanOptions { services, ..PlanOptions::default() };
    let options = UpOptions { plan, ..UpOptions::default() };
    let code = work.ensure_images(Ensure::default())?;
    if code != 0 {
        return Ok(code);
    }
    session.show("Running", |progress| {
        let mut apply = work.apply(Settings::default(), progress);
        let prepared = apply.prepare(&options, &mut confirm(false))?;
        let mut timeline = hull_compose::timeline::Timeline::new(Instant::now());
        Ok(apply.start_prepared(&prepared, &options, &mut timeline)?)
    })
}

pub fn start(session: &Session<'_>, args: &Services) -> Result<u8> {
    let (work, scope, observed) = Work::of_files_or_name(session, &args.services)?;
    session.show("Running", |progress| {
        Ok(work.apply(Settings::default(), progress).start_services(&scope, &observed, Instant::now())?)
    })
}

pub fn stop(session: &Session<'_>, args: &Stop) -> Result<u8> {
    let (work, scope, observed) = Work::of_files_or_name(session, &args.services)?;
    let settings = Settings { timeout: timeout(args.timeout), ..Settings::default() };
    session.show("Stopping", |progress| {
        Ok(work.apply(settings, progress).stop_services(&scope, &observed, &args.services)?)
    })
}
