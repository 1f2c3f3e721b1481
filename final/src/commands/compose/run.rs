//! `compose run`: a new container of a service, with a command of its own.

use std::io::IsTerminal;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use hull_compose::apply::{Apply, Member, Members, WaitFor};
use hull_compose::convert::OneOff;
use hull_compose::observe::observe;
use hull_compose::plan::{Dependency, PlanOptions, Wanted};
use hull_compose::progress::Event;
use hull_compose::timeline::Timeline;
use hull_compose::up::UpOptions;
use hull_composefile::flags;
use hull_composefile::model::{Project, Service};
use hull_engine::StartAttach;
use hull_sys::terminal::window_size;

use super::Session;
use super::recreate::{confirm, plan_options, set_up};
use super::work::{Ensure, Settings, Work};
use crate::cli::compose::lifecycle::RecreateArgs;
use crate::cli::compose::run::Run;
use crate::cli::options::Rest;
use crate::ui::terminal::{self, WhenUnread};
use crate::ui::{errors, output};

/// The characters of the random part that are in the container's name.
const SHORT: usize = 12;

pub fn run(session: &Session<'_>, args: &Run) -> Result<u8> {
    let Some((name, command)) = Rest::split(args.rest.as_ref()) else {
        return Err(errors::missing("SERVICE", "hull compose run [OPTIONS] SERVICE [COMMAND] [ARG]..."));
    };
    check(args)?;
    let mut opened = session.load_with(&[name.to_owned()], args.no_deps)?;
    set_up(&mut opened.project, &recreate(args), &[])?;
    let Some(service) = opened.project.services.get(name) else { bail!("no such service: {name}") };
    let service = changed(service, &opened.project, args, command)?;
    opened.project.services.insert(name.to_owned(), service.clone());
    let tty = service.tty;
    if !args.detach {
        terminal::require(tty, args.interactive)?;
    }
    let work = Work::of_files(session, opened.project, opened.env_files)?;
    let how = Ensure { no_build: false, quiet_pull: args.quiet_pull, quiet_build: args.quiet_build };
    let code = work.ensure_images(how)?;
    if code != 0 {
        return Ok(code);
    }
    let code = start_dependencies(&work, args, name)?;
    if code != 0 {
        return Ok(code);
    }
    let slug = random_id()?;
    let short = &slug[..SHORT];
    let project = work.project.as_ref().context("a project of files has files")?;
    let own_name = match &args.name {
        Some(own_name) => own_name.clone(),
        None => [&*project.name, name, "run", short].join(&project.separator.to_string()),
    };
    let one_off = OneOff {
        slug: &slug,
        auto_remove: args.rm,
        attach_stdin: args.interactive,
        use_aliases: args.use_aliases,
    };
    let members = members(&work)?;
    let id = work
        .apply(Settings::default(), &mut hull_compose::progress::Silent)
        .create_one_off(&service, &own_name, one_off, &members)?;
    match session.args.dry_run {
        true => Ok(0),
        false => start(&work, args, &id, tty),
    }
}

fn check(args: &Run) -> Result<()> {
    if !args.publish.is_empty() && args.service_ports {
        bail!("--service-ports and --publish are incompatible");
    }
    if args.tty.is_some() && args.no_tty.is_some() {
        bail!("--tty and --no-TTY can't be used together");
    }
    if args.label.iter().any(|label| !label.contains('=')) {
        bail!("label must be set as KEY=VALUE");
    }
    Ok(())
}

/// The flags that `run` shares with `up`.
fn recreate(args: &Run) -> RecreateArgs {
    RecreateArgs {
        build: args.build,
        force_recreate: false,
        no_build: false,
        no_recreate: false,
        pull: args.pull.clone(),
        quiet_pull: args.quiet_pull,
        remove_orphans: args.remove_orphans,
        yes: false,
    }
}

/// The service as the flags change it.
fn changed(service: &Service, project: &Project, args: &Run, command: &[String]) -> Result<Service> {
    let mut service = service.clone();
    let from_flags = flags::service(&args.publish, &args.volume, args.entrypoint.as_deref())?;
    service.tty = match (args.tty, args.no_tty) {
        (Some(tty), _) => tty,
        (None, Some(no_tty)) => !no_tty,
        (None, None) => std::io::stdout().is_terminal() && std::io::stdin().is_terminal(),
    };
    service.stdin_open = args.interactive;
    if !args.service_ports {
        service.ports = from_flags.ports;
    }
    for mut volume in from_flags.volumes {
        if volume.kind == "bind" && !Path::new(&volume.source).is_absolute() {
            let source = std::path::absolute(&volume.source);
            volume.source =
                source.with_context(|| format!("--volume {}", volume.source))?.display().to_string();
        }
        service.volumes.push(volume);
    }
    // The name of the service's own containers is theirs.
    service.container_name.clear();
    service.scale = Some(1);
    service.restart.clear();
    if let Some(deploy) = &mut service.deploy {
        deploy.restart_policy = None;
    }
    if !command.is_empty() {
        service.command.0 = Some(command.to_vec());
    }
    if args.entrypoint.is_some() {
        service.entrypoint = from_flags.entrypoint;
        if command.is_empty() {
            service.command.0 = Some(vec![]);
        }
    }
    if let Some(user) = args.user.clone().filter(|user| !user.is_empty()) {
        service.user = user;
    }
    if let Some(directory) = args.workdir.clone().filter(|directory| !directory.is_empty()) {
        service.working_dir = directory;
    }
    if !args.cap_add.is_empty() {
        service.cap_drop.retain(|one| !args.cap_add.contains(one));
        service.cap_add.extend_from_slice(&args.cap_add);
    }
    if !args.cap_drop.is_empty() {
        service.cap_add.retain(|one| !args.cap_drop.contains(one));
        service.cap_drop.extend_from_slice(&args.cap_drop);
    }
    let pairs = args.label.iter().filter_map(|label| label.split_once('='));
    service.labels.0.extend(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())));
    environment(&mut service, project, args)?;
    Ok(service)
}

/// What `--env` says goes before `--env-from-file`, and both before the service's own variables.
fn environment(service: &mut Service, project: &Project, args: &Run) -> Result<()> {
    let mut values = hull_composefile::interpolate::Environment::new();
    for entry in &args.env {
        let (name, value) = match entry.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (entry.as_str(), project.environment.get(entry).cloned()),
        };
        values.extend(value.map(|value| (name.to_owned(), value)));
    }
    for file in &args.env_from_file {
        for (name, value) in flags::env_file(&file.display().to_string(), &values)? {
            values.entry(name).or_insert(value);
        }
    }
    service.environment.0.extend(values.into_iter().map(|(name, value)| (name, Some(value))));
    Ok(())
}

/// Makes the project's networks and volumes, starts what the service depends on, and waits for it as the conditions say.
fn start_dependencies(work: &Work<'_>, args: &Run, name: &str) -> Result<u8> {
    let session = work.session;
    let Some(project) = &work.project else { return Ok(0) };
    let mut others = project.clone();
    let Some(own) = others.services.remove(name) else { bail!("no such service: {name}") };
    let wanted = Wanted::of(&own)?;
    others.disabled_services.insert(name.to_owned(), own);
    let services: Vec<String> = others.services.keys().cloned().collect();
    let work = Work::of_files(session, others, work.env_files.clone())?;
    let plan = PlanOptions {
        remove_orphans: session.remove_orphans(args.remove_orphans),
        ..plan_options(session, &recreate(args), &services)
    };
    let ignore_orphans = session.is_set("COMPOSE_IGNORE_ORPHANS");
    let options = UpOptions { plan, ignore_orphans, ..UpOptions::default() };
    session.show_unless(args.quiet, "Running", |progress| {
        let mut apply = work.apply(Settings::default(), progress);
        let prepared = apply.prepare(&options, &mut confirm(false))?;
        apply.start_prepared(&prepared, &options, &mut Timeline::new(Instant::now()))?;
        if !args.no_deps {
            wait_for(&mut apply, &wanted, &prepared.members)?;
        }
        Ok(())
    })
}

/// Waits until what the service depends on is as its conditions say.
fn wait_for(apply: &mut Apply<'_>, wanted: &Wanted, members: &Members) -> Result<()> {
    for (service, Dependency { condition, required, .. }) in &wanted.depends_on {
        let wait = WaitFor { service: service.clone(), condition: *condition };
        match apply.wait(&[wait], members, None) {
            Ok(()) => {}
            Err(error) if !required => {
                let text = format!("optional dependency {service:?} failed: {error}");
                apply.progress.event(Event::warning(service, text));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The containers to which a service may refer.
fn members(work: &Work<'_>) -> Result<Members> {
    let mut members = Members::new();
    let Some(project) = &work.project else { return Ok(members) };
    let observed = observe(&work.engine, &project.name)?;
    for one in observed.containers.iter().filter(|one| !one.one_off) {
        let member = Member { id: one.id.clone(), name: one.name.clone(), runs: one.is_running() };
        members.entry(one.service.clone()).or_default().push(member);
    }
    Ok(members)
}

fn start(work: &Work<'_>, args: &Run, id: &str, tty: bool) -> Result<u8> {
    let attach = if args.detach { StartAttach::Detached } else { StartAttach::Attached };
    let options = terminal::Options {
        stdin: args.interactive,
        output: [true; 2],
        tty,
        sig_proxy: !tty,
        detach_keys: terminal::detach_keys(None)?,
        when_unread: WhenUnread::Detach,
        redraw: false,
    };
    let started = match work.engine.start(id, attach, window_size()) {
        Ok(started) => started,
        Err(error) => {
            if args.rm {
                // The monitor has removed it already, unless the monitor died. The first error is the one to report.
                let _ = work.engine.remove(id, true, true);
            }
            return Err(error.into());
        }
    };
    match started {
        Some(stream) => terminal::attach(stream, options),
        None => {
            output::line(id)?;
            Ok(0)
        }
    }
}

/// As many hex digits as an id has.
fn random_id() -> Result<String> {
    let mut bytes = [0; 32];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .context("cannot get random bytes")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
